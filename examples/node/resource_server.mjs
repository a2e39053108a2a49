// A resource server: GET /orders is for callers whose access token or API key has the scope orders:read.
import { createServer } from 'node:http'
import { createRemoteJWKSet, errors, jwtVerify } from 'jose'

const issuer = required('ISSUER')
const audience = required('AUDIENCE')
const clientId = required('CLIENT_ID')
const clientSecret = required('CLIENT_SECRET')
const port = Number(process.env.PORT ?? 9000)
// Introspect JWTs too, so that a revoked one is refused at once.
const introspectJwts = process.env.INTROSPECT_JWTS === 'true'

// The published keys: fetched again after five minutes, and for an unknown kid, at most once in five seconds.
const keys = createRemoteJWKSet(new URL(`${issuer}/.well-known/jwks.json`), {
  cacheMaxAge: 300_000,
  cooldownDuration: 5_000,
  timeoutDuration: 5_000,
})

/** The caller presented no valid credential: 401. Any other error means that this could not be found out: 503. */
class InvalidToken extends Error {}

/** Verifies JWTs offline and asks the authorization server about everything else; resolves to the claims. */
async function authenticate(authorization) {
  const token = credential(authorization)
  if (token.split('.').length !== 3) return introspect(token)
  const claims = await verify(token)
  return introspectJwts ? introspect(token) : claims
}

/** The token of a Bearer header, or the API key of a Basic header: base64 of KEY or of KEY and a colon. */
function credential(authorization) {
  const [scheme, value = ''] = authorization.split(/ +/, 2)
  if (scheme.toLowerCase() === 'bearer' && value !== '') return value
  if (scheme.toLowerCase() === 'basic') {
    const [key, password = ''] = Buffer.from(value, 'base64').toString().split(/:(.*)/s, 2)
    if (key !== '' && password === '') return key
  }
  throw new InvalidToken('neither a Bearer token nor an API key')
}

/** Checks a JWT access token as RFC 9068 section 4 says. */
async function verify(token) {
  try {
    const { payload } = await jwtVerify(token, keys, {
      issuer,
      audience,
      // An ID token or a logout token has the same issuer and keys, and another type.
      typ: 'at+jwt',
      algorithms: ['RS256'],
      clockTolerance: 5,
      requiredClaims: ['exp', 'client_id'],
    })
    return payload
  } catch (error) {
    // The errors of jose if it cannot fetch the keys.
    const unavailable = ['ERR_JWKS_TIMEOUT', 'ERR_JOSE_GENERIC'].includes(error.code)
    if (error instanceof errors.JOSEError && !unavailable) throw new InvalidToken(error.message)
    throw error
  }
}

/**
 * Introspects a token or an API key (RFC 7662). Keyward describes a token only to a resource server in its audience.
 */
async function introspect(token) {
  const credentials = [clientId, clientSecret].map(encodeURIComponent).join(':')
  const response = await fetch(`${issuer}/oauth/introspect`, {
    method: 'POST',
    headers: { authorization: `Basic ${Buffer.from(credentials).toString('base64')}` },
    body: new URLSearchParams({ token }),
    signal: AbortSignal.timeout(5_000),
  })
  if (!response.ok) throw new Error(`introspection: ${response.status}`)
  const claims = await response.json()
  if (!claims.active) throw new InvalidToken('not active')
  return claims
}

/** Calls the handler only for callers that have the scope (RFC 6750 section 3). */
function protect(scope, handler) {
  return async (request, response) => {
    const { authorization } = request.headers
    if (authorization === undefined) {
      return answer(response, 401, { error: 'unauthorized' }, { 'www-authenticate': 'Bearer' })
    }
    let claims
    try {
      claims = await authenticate(authorization)
    } catch (error) {
      if (error instanceof InvalidToken) {
        const challenge = 'Bearer error="invalid_token"'
        return answer(response, 401, { error: 'invalid_token' }, { 'www-authenticate': challenge })
      }
      console.error(error)
      return answer(response, 503, { error: 'temporarily_unavailable' }, { 'retry-after': '1' })
    }
    if (!(claims.scope ?? '').split(' ').includes(scope)) {
      const challenge = `Bearer error="insufficient_scope", scope="${scope}"`
      return answer(response, 403, { error: 'insufficient_scope' }, { 'www-authenticate': challenge })
    }
    return handler(request, response, claims)
  }
}

function answer(response, status, body, headers = {}) {
  response.writeHead(status, { 'content-type': 'application/json', ...headers }).end(JSON.stringify(body))
}

function required(name) {
  const value = process.env[name]
  if (!value) throw new Error(`set ${name}`)
  return value
}

const routes = {
  'GET /orders': protect('orders:read', (request, response, claims) => {
    answer(response, 200, { client_id: claims.client_id, orders: [] })
  }),
}

const server = createServer((request, response) => {
  const route = routes[`${request.method} ${request.url}`]
  return route ? route(request, response) : answer(response, 404, { error: 'not_found' })
})
server.listen(port, '127.0.0.1', () => console.log(`listening on http://127.0.0.1:${server.address().port}`))
