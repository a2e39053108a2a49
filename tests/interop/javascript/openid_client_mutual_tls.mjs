// openid-client with mutual TLS (RFC 8705), at the token endpoint of mtls_endpoint_aliases. The certificate is that of its
// fetch, which is made of node:https here: the one that is built into Node.js takes no certificate.
import assert from 'node:assert/strict'
import { X509Certificate, createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import https from 'node:https'
import { decodeJwt } from 'jose'
import * as oauth from 'openid-client'

const { ISSUER, CA_FILE, ISSUED_CLIENT_ID, OWN_CLIENT_ID } = process.env

const ca = readFileSync(CA_FILE)
const pair = (name) => ({
  cert: readFileSync(process.env[`${name}_CERTIFICATE`]),
  key: readFileSync(process.env[`${name}_KEY`]),
})
const [issued, own] = [pair('ISSUED'), pair('OWN')]

const fetchWith = (identity) => (url, { method, headers, body, signal }) =>
  new Promise((resolve, reject) => {
    const request = https.request(url, { method, headers, signal, ca, agent: false, ...identity }, (response) => {
      const chunks = []
      response.on('data', (chunk) => chunks.push(chunk))
      response.on('error', reject)
      response.on('end', () => {
        const { statusCode: status, headers } = response
        resolve(new Response(Buffer.concat(chunks), { status, headers: Object.entries(headers) }))
      })
    })
    request.on('error', reject)
    request.end(body?.toString())
  })

const ask = async (id, identity) => {
  const options = { algorithm: 'oauth2', timeout: 10, [oauth.customFetch]: fetchWith(identity) }
  const metadata = { use_mtls_endpoint_aliases: true }
  const config = await oauth.discovery(new URL(ISSUER), id, metadata, oauth.TlsClientAuth(), options)
  return oauth.clientCredentialsGrant(config, { scope: 'read' })
}

const thumbprint = ({ cert }) => createHash('sha256').update(new X509Certificate(cert).raw).digest('base64url')

for (const [id, identity] of [[ISSUED_CLIENT_ID, issued], [OWN_CLIENT_ID, own]]) {
  const { access_token, token_type } = await ask(id, identity)
  assert.equal(token_type, 'bearer')
  const { client_id, cnf } = decodeJwt(access_token)
  assert.deepEqual([client_id, cnf], [id, { 'x5t#S256': thumbprint(identity) }])
}
for (const [id, identity] of [[ISSUED_CLIENT_ID, own], [OWN_CLIENT_ID, issued], [OWN_CLIENT_ID, {}]]) {
  await assert.rejects(ask(id, identity), (error) => error.error === 'invalid_client')
}
console.log('bound to the certificate, and refused with another one and without')
