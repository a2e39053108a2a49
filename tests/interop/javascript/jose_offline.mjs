// jose as a resource server that verifies tokens offline with the published keys.
import assert from 'node:assert/strict'
import { createRemoteJWKSet, jwtVerify } from 'jose'

const { ISSUER, CLIENT_ID, CLIENT_SECRET, SCOPE, RESOURCE } = process.env

const metadata = await (await fetch(`${ISSUER}/.well-known/oauth-authorization-server`)).json()
const response = await fetch(metadata.token_endpoint, {
  method: 'POST',
  body: new URLSearchParams({
    grant_type: 'client_credentials',
    client_id: CLIENT_ID,
    client_secret: CLIENT_SECRET,
    resource: RESOURCE,
  }),
})
assert.equal(response.status, 200)
const { access_token: token } = await response.json()

const keys = createRemoteJWKSet(new URL(metadata.jwks_uri))
const expected = {
  issuer: ISSUER,
  audience: RESOURCE,
  typ: 'at+jwt',
  algorithms: ['RS256'],
  requiredClaims: ['sub', 'exp', 'iat', 'jti', 'client_id', 'scope'],
}
const { payload, protectedHeader } = await jwtVerify(token, keys, expected)
assert.equal(payload.client_id, CLIENT_ID)
assert.equal(payload.sub, CLIENT_ID)
assert.equal(payload.aud, RESOURCE)
assert.deepEqual(payload.scope.split(' ').sort(), SCOPE.split(' ').sort())
assert.ok(protectedHeader.kid)
console.log('token: verified with the published keys')

const [head, body, signature] = token.split('.')
const forged = Buffer.from(JSON.stringify({ ...payload, scope: 'everything' })).toString('base64url')
const flipped = (signature[0] === 'A' ? 'B' : 'A') + signature.slice(1)
for (const tampered of [`${head}.${forged}.${signature}`, `${head}.${body}.${flipped}`]) {
  await assert.rejects(jwtVerify(tampered, keys, expected), { code: 'ERR_JWS_SIGNATURE_VERIFICATION_FAILED' })
}
console.log('token: refused when tampered with')

for (const other of ['issuer', 'audience']) {
  await assert.rejects(jwtVerify(token, keys, { ...expected, [other]: 'https://other.example' }), {
    code: 'ERR_JWT_CLAIM_VALIDATION_FAILED',
  })
}
console.log('token: refused for another audience or issuer')
