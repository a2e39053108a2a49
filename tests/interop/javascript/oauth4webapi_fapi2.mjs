// oauth4webapi as a client with the security profile fapi2, and as a resource server that verifies its tokens offline.
// The server requires nonces.
import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { importPKCS8 } from 'jose'
import * as oauth from 'oauth4webapi'

const { ISSUER, CLIENT_ID, KEY_FILE, RESOURCE } = process.env

const insecure = { [oauth.allowInsecureRequests]: true }
const issuer = new URL(ISSUER)
const discovery = await oauth.discoveryRequest(issuer, { algorithm: 'oauth2', ...insecure })
const as = await oauth.processDiscoveryResponse(issuer, discovery)
const client = { client_id: CLIENT_ID }
const key = await importPKCS8(await readFile(KEY_FILE, 'utf8'), 'ES256')
const authentication = oauth.PrivateKeyJwt({ key, kid: 'interop' })

const withNonce = async (request) => {
  try {
    return await request()
  } catch (error) {
    assert.ok(oauth.isDPoPNonceError(error), error)
    return request()
  }
}

const DPoP = oauth.DPoP(client, await oauth.generateKeyPair('ES256'))
const token = (handle) => async () => {
  const options = { ...handle, ...insecure }
  const response = await oauth.clientCredentialsGrantRequest(as, client, authentication, { resource: RESOURCE }, options)
  return oauth.processClientCredentialsResponse(as, client, response)
}
const { access_token, token_type } = await withNonce(token({ DPoP }))
assert.equal(token_type, 'dpop')
await assert.rejects(token({}), (error) => error.error === 'invalid_dpop_proof')
console.log('private_key_jwt: a bound token with a proof, and none without')

const url = new URL(`${RESOURCE}/clients`)
const call = (options) =>
  oauth.protectedResourceRequest(access_token, 'GET', url, undefined, undefined, { DPoP, ...insecure, ...options })
assert.equal((await withNonce(call)).status, 200)
console.log('used at the management API')

let presented
const capture = async (url, options) => {
  presented = new Request(url, options)
  return new Response()
}
await call({ [oauth.customFetch]: capture })
const claims = await oauth.validateJwtAccessToken(as, presented, RESOURCE, insecure)
assert.equal(claims.client_id, CLIENT_ID)
assert.equal(claims.cnf.jkt, await DPoP.calculateThumbprint())
console.log('verified offline, with its proof')
