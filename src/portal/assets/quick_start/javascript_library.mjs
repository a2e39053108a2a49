{{secret}}// Gets an access token and prints it. The client secret is in CLIENT_SECRET.
{{key}}// Gets an access token and prints it. CLIENT_KEY names the file with the private key, a JWK with alg and kid.
{{key}}import { readFile } from 'node:fs/promises'
{{key}}import { importJWK } from 'jose'
import * as oauth from 'openid-client'

{{secret}}const secret = process.env.CLIENT_SECRET
{{secret}}if (!secret) throw new Error('CLIENT_SECRET is not set')
{{secret}}const authentication = oauth.ClientSecretBasic(secret)
{{key}}const jwk = JSON.parse(await readFile(process.env.CLIENT_KEY, 'utf8'))
{{key}}const authentication = oauth.PrivateKeyJwt({ key: await importJWK(jwk), kid: jwk.kid })
const server = { issuer: '{{issuer}}', token_endpoint: '{{token_endpoint}}' }
const config = new oauth.Configuration(server, '{{client_id}}', {}, authentication)
{{http}}oauth.allowInsecureRequests(config) // There is no TLS.
{{dpop}}const DPoP = oauth.getDPoPHandle(config, await oauth.randomDPoPKeyPair('ES256'))

const parameters = {
  scope: '{{scope}}',
  resource: '{{resource}}',
}
{{bearer}}const token = await oauth.clientCredentialsGrant(config, parameters)
{{dpop}}const token = await oauth.clientCredentialsGrant(config, parameters, { DPoP })
console.log(token.access_token)

{{bearer}}// Send it with each request: oauth.fetchProtectedResource(config, token.access_token, url, 'GET')
{{dpop}}// Send it with each request, with a proof by the same key:
{{dpop}}// oauth.fetchProtectedResource(config, token.access_token, url, 'GET', undefined, undefined, { DPoP })
// The resource server that accepts it: {{audience}}
