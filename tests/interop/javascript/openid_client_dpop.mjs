// openid-client with DPoP (RFC 9449): tokens bound to a key, used at the management API. The server requires nonces,
// which the library takes from the first answer.
import assert from 'node:assert/strict'
import { decodeJwt } from 'jose'
import * as oauth from 'openid-client'

const { ISSUER, CLIENT_ID, CLIENT_SECRET, RESOURCE } = process.env

const options = { algorithm: 'oauth2', execute: [oauth.allowInsecureRequests], timeout: 10 }
const authentication = oauth.ClientSecretBasic(CLIENT_SECRET)
const config = await oauth.discovery(new URL(ISSUER), CLIENT_ID, {}, authentication, options)
const url = new URL(`${RESOURCE}/clients`)

for (const algorithm of ['ES256', 'PS256', 'Ed25519']) {
  assert.ok(config.serverMetadata().dpop_signing_alg_values_supported.includes(algorithm))
  const DPoP = oauth.getDPoPHandle(config, await oauth.randomDPoPKeyPair(algorithm))
  const token = await oauth.clientCredentialsGrant(config, { resource: RESOURCE }, { DPoP })
  assert.equal(token.token_type, 'dpop')
  assert.equal(decodeJwt(token.access_token).cnf.jkt, await DPoP.calculateThumbprint())

  const call = (handle) => oauth.fetchProtectedResource(config, token.access_token, url, 'GET', undefined, undefined, handle)
  for (let i = 0; i < 2; i++) {
    const response = await call({ DPoP })
    assert.equal(response.status, 200)
    assert.ok((await response.json()).items.length > 0)
  }
  const challenge = (e) => {
    const [{ scheme, parameters }] = e.cause
    assert.deepEqual([e.status, scheme, parameters.error], [401, 'dpop', 'invalid_token'])
    return true
  }
  const other = oauth.getDPoPHandle(config, await oauth.randomDPoPKeyPair(algorithm))
  await assert.rejects(call({ DPoP: other }), challenge)
  await assert.rejects(call({}), challenge)
  console.log(`${algorithm}: bound, used, and refused with another key and without`)
}
