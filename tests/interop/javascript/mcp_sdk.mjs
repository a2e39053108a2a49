// The official MCP SDK for TypeScript, as a client and as the server that it calls.
//
// Prints the URL of the MCP server once it listens, and then reads the credentials from standard input: the resource
// server has to be created with that URL first.
import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { createInterface } from 'node:readline'
import { createRemoteJWKSet, jwtVerify } from 'jose'
import { ClientCredentialsProvider, PrivateKeyJwtProvider } from '@modelcontextprotocol/sdk/client/auth-extensions.js'
import { Client } from '@modelcontextprotocol/sdk/client/index.js'
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js'
import { InvalidTokenError } from '@modelcontextprotocol/sdk/server/auth/errors.js'
import { requireBearerAuth } from '@modelcontextprotocol/sdk/server/auth/middleware/bearerAuth.js'
import { getOAuthProtectedResourceMetadataUrl, mcpAuthMetadataRouter } from '@modelcontextprotocol/sdk/server/auth/router.js'
import { createMcpExpressApp } from '@modelcontextprotocol/sdk/server/express.js'
import { McpServer } from '@modelcontextprotocol/sdk/server/mcp.js'
import { StreamableHTTPServerTransport } from '@modelcontextprotocol/sdk/server/streamableHttp.js'

const { ISSUER } = process.env

const app = createMcpExpressApp()
const listener = app.listen(0, '127.0.0.1')
await new Promise((resolve) => listener.once('listening', resolve))
const url = new URL(`http://127.0.0.1:${listener.address().port}/mcp`)

// As in docs/integrations.md.
const keys = createRemoteJWKSet(new URL(`${ISSUER}/.well-known/jwks.json`), { cacheMaxAge: 300_000 })
const presented = []
const verifier = {
  async verifyAccessToken(token) {
    const options = { issuer: ISSUER, audience: url.href, typ: 'at+jwt', algorithms: ['RS256'] }
    const { payload } = await jwtVerify(token, keys, options).catch((error) => {
      throw new InvalidTokenError(error.message)
    })
    presented.push(payload)
    return { token, clientId: payload.client_id, scopes: payload.scope.split(' '), expiresAt: payload.exp, resource: url }
  },
}

const metadata = await (await fetch(`${ISSUER}/.well-known/oauth-authorization-server`)).json()
app.use(mcpAuthMetadataRouter({ oauthMetadata: metadata, resourceServerUrl: url, scopesSupported: ['read'] }))
const guard = requireBearerAuth({
  verifier,
  requiredScopes: ['read'],
  resourceMetadataUrl: getOAuthProtectedResourceMetadataUrl(url),
  expectedResource: url,
})
app.post('/mcp', guard, async (request, response) => {
  const server = new McpServer({ name: 'Orders', version: '1.0.0' })
  server.registerTool('whoami', {}, (extra) => ({ content: [{ type: 'text', text: extra.authInfo.clientId }] }))
  const transport = new StreamableHTTPServerTransport({ sessionIdGenerator: undefined })
  response.on('close', () => transport.close())
  await server.connect(transport)
  await transport.handleRequest(request, response, request.body)
})
app.use((_, response) => response.status(405).end())

console.log(url.href)
const line = await new Promise((resolve) => createInterface({ input: process.stdin }).once('line', resolve))
const given = JSON.parse(line)

const called = async (authProvider) => {
  const client = new Client({ name: 'interop', version: '1.0.0' })
  await client.connect(new StreamableHTTPClientTransport(url, { authProvider }))
  const { content } = await client.callTool({ name: 'whoami', arguments: {} })
  await client.close()
  return content[0].text
}

const secret = { clientId: given.client_id, clientSecret: given.client_secret, scope: 'read', expectedIssuer: ISSUER }
assert.equal(await called(new ClientCredentialsProvider(secret)), given.client_id)
const { aud, scope } = presented.at(-1)
assert.deepEqual({ aud, scope }, { aud: url.href, scope: 'read' })
console.log('client_secret_basic')

for (const [algorithm, { client_id: clientId, key_file }] of Object.entries(given.keyed)) {
  const privateKey = await readFile(key_file, 'utf8')
  const keyed = { clientId, privateKey, algorithm, scope: 'read', expectedIssuer: ISSUER }
  assert.equal(await called(new PrivateKeyJwtProvider(keyed)), clientId)
  console.log(`private_key_jwt: ${algorithm}`)
}

const before = presented.length
await assert.rejects(called(new ClientCredentialsProvider({ ...secret, clientSecret: 'wrong' })))
assert.equal(presented.length, before)
console.log('a wrong secret is refused')

process.exit(0)
