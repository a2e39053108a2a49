// A resource server: GET /orders is for callers whose access token or API key has the scope orders:read.
import express from 'express'
import { Verifier } from 'keyward-verifier'

const verifier = new Verifier({
  issuer: required('ISSUER'),
  audience: required('AUDIENCE'),
  clientId: required('CLIENT_ID'),
  clientSecret: required('CLIENT_SECRET'),
  introspectJwts: process.env.INTROSPECT_JWTS === 'true',
  activeTtl: Number(process.env.CACHE_SECONDS ?? 10),
  inactiveTtl: Number(process.env.CACHE_SECONDS ?? 10),
  minRefreshInterval: Number(process.env.REFRESH_SECONDS ?? 5),
  resourceMetadata: process.env.RESOURCE_METADATA,
})

const app = express()
app.get('/orders', verifier.require('orders:read'), (request, response) => {
  response.json({ client_id: request.auth.clientId, orders: [] })
})

const server = app.listen(Number(process.env.PORT ?? 9000), '127.0.0.1', (error) => {
  if (error) throw error
  console.log(`listening on http://127.0.0.1:${server.address().port}`)
})

function required(name) {
  const value = process.env[name]
  if (!value) throw new Error(`set ${name}`)
  return value
}
