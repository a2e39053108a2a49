// openid-client as a client and as a resource server.
import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { decodeJwt, importPKCS8 } from 'jose'
import * as oauth from 'openid-client'

const {
  ISSUER,
  CLIENT_ID,
  CLIENT_SECRET,
  SCOPE,
  RESOURCE,
  INTROSPECTION_CLIENT_ID,
  INTROSPECTION_CLIENT_SECRET,
  JWT_CLIENT_ID,
  JWT_KEY_FILE,
  REGISTRATION_TOKEN,
} = process.env

const server = new URL(ISSUER)
const options = { algorithm: 'oauth2', execute: [oauth.allowInsecureRequests], timeout: 10 }
const discover = (id, authentication) => oauth.discovery(server, id, {}, authentication, options)
const sorted = (scope) => scope.split(' ').sort()

// openid-client throws another kind of error if the response has WWW-Authenticate, which Basic requires.
const refused = async (call, status, error) => {
  await assert.rejects(call, (e) => {
    assert.equal(e.status ?? e.response?.status, status, e)
    if (error) assert.equal(e.error, error)
    return true
  })
}

const basic = await discover(CLIENT_ID, oauth.ClientSecretBasic(CLIENT_SECRET))
const metadata = basic.serverMetadata()
assert.equal(metadata.issuer, ISSUER)
const oidc = await oauth.discovery(server, CLIENT_ID, {}, undefined, { ...options, algorithm: 'oidc' })
assert.equal(oidc.serverMetadata().token_endpoint, metadata.token_endpoint)
console.log('discovery: oauth2 and oidc')

const post = await discover(CLIENT_ID, oauth.ClientSecretPost(CLIENT_SECRET))
let token
for (const [name, config] of Object.entries({ client_secret_post: post, client_secret_basic: basic })) {
  token = await oauth.clientCredentialsGrant(config, { scope: SCOPE, resource: RESOURCE })
  assert.equal(token.token_type, 'bearer')
  assert.ok(token.expires_in > 0)
  assert.deepEqual(sorted(token.scope), sorted(SCOPE))
  assert.equal(token.refresh_token, undefined)
  console.log(`client credentials: ${name}`)
}

const key = await importPKCS8(await readFile(JWT_KEY_FILE, 'utf8'), 'RS256')
const privateKeyJwt = await discover(JWT_CLIENT_ID, oauth.PrivateKeyJwt(key))
const { access_token } = await oauth.clientCredentialsGrant(privateKeyJwt)
assert.equal(decodeJwt(access_token).client_id, JWT_CLIENT_ID)
console.log('client credentials: private_key_jwt')

await refused(oauth.clientCredentialsGrant(basic, { scope: 'no-such-scope' }), 400, 'invalid_scope')
await refused(oauth.clientCredentialsGrant(basic, { resource: 'urn:no-such-resource' }), 400, 'invalid_target')
const wrongPost = await discover(CLIENT_ID, oauth.ClientSecretPost('wrong'))
await refused(oauth.clientCredentialsGrant(wrongPost), 401, 'invalid_client')
const wrongBasic = await discover(CLIENT_ID, oauth.ClientSecretBasic('wrong'))
await refused(oauth.clientCredentialsGrant(wrongBasic), 401)
console.log('client credentials: refusals')

const resourceServer = await discover(INTROSPECTION_CLIENT_ID, oauth.ClientSecretBasic(INTROSPECTION_CLIENT_SECRET))
const introspect = (value) => oauth.tokenIntrospection(resourceServer, value)
const { scope, ...claims } = decodeJwt(token.access_token)
const answer = await introspect(token.access_token)
assert.equal(answer.active, true)
assert.deepEqual(sorted(answer.scope), sorted(scope))
for (const [name, value] of Object.entries(claims)) assert.deepEqual(answer[name], value, name)
assert.deepEqual(await introspect('nonsense'), { active: false })
console.log("introspection: active, with the token's claims")

await oauth.tokenRevocation(basic, token.access_token, { token_type_hint: 'access_token' })
assert.deepEqual(await introspect(token.access_token), { active: false })
await oauth.tokenRevocation(basic, token.access_token)
console.log('revocation: inactive afterwards, and again is no error')

if (REGISTRATION_TOKEN) {
  const registered = await oauth.dynamicClientRegistration(
    server,
    {
      client_name: 'openid-client',
      grant_types: ['client_credentials'],
      response_types: [],
      token_endpoint_auth_method: 'client_secret_basic',
    },
    oauth.ClientSecretBasic(),
    { ...options, initialAccessToken: REGISTRATION_TOKEN },
  )
  const client = registered.clientMetadata()
  const { access_token } = await oauth.clientCredentialsGrant(registered)
  assert.equal(decodeJwt(access_token).client_id, client.client_id)
  console.log('registration: the new client gets a token')

  const manage = (method) =>
    fetch(client.registration_client_uri, {
      method,
      headers: { authorization: `Bearer ${client.registration_access_token}` },
    })
  const read = await manage('GET')
  assert.equal(read.status, 200)
  assert.equal((await read.json()).client_id, client.client_id)
  assert.equal((await manage('DELETE')).status, 204)
  await refused(oauth.clientCredentialsGrant(registered), 401)
  console.log('registration: read, deleted, and refused from then on')
}
