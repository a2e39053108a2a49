// Express middleware that verifies JWT access tokens (RFC 9068) offline and API keys by introspection (RFC 7662), and
// answers requests without a valid credential as RFC 6750 says. It uses only what Express has in common with Connect.
import { errors, jwtVerify } from 'jose'
import { Introspection } from './lib/introspection.mjs'
import { Keys } from './lib/keys.mjs'
import { Refusal, challenge } from './lib/refusal.mjs'

export { Refusal }

const DEFAULTS = {
  algorithms: ['RS256', 'PS256', 'ES256', 'EdDSA', 'Ed25519'],
  leeway: 5,
  minRefreshInterval: 5,
  timeout: 5,
  introspectJwts: false,
  cacheSize: 10_000,
  activeTtl: 10,
  inactiveTtl: 10,
  onError: (error) => console.error(error),
}

/** The longest credential that is looked at, in characters. */
const MAX_CREDENTIAL = 8192

/** Authenticates the callers of one resource server. The README describes the options; times are in seconds. */
export class Verifier {
  #options
  #keys
  #introspection

  constructor(options) {
    this.#options = { ...DEFAULTS, ...options }
    const { issuer, audience, clientId, clientSecret, introspectJwts } = this.#options
    if (!issuer || !audience) throw new TypeError('issuer and audience are required')
    if (introspectJwts && !(clientId && clientSecret)) {
      throw new TypeError('introspectJwts needs clientId and clientSecret')
    }
    const base = issuer.replace(/\/+$/, '')
    this.#keys = new Keys(`${base}/.well-known/jwks.json`, this.#options)
    if (clientId && clientSecret) {
      this.#introspection = new Introspection(`${base}/oauth/introspect`, this.#options)
    }
  }

  /**
   * Middleware for callers that have all of these scope values, separated by spaces; without a scope, any valid
   * credential is enough. It sets `request.auth` to `{ clientId, subject, kind, scope, claims }`.
   */
  require(scope = '') {
    return async (request, response, next) => {
      let caller
      try {
        caller = await this.authorize(request.headers.authorization, scope)
      } catch (error) {
        if (!(error instanceof Refusal)) return next(error)
        if (error.cause) this.#options.onError(error.cause)
        return this.#respond(response, error)
      }
      request.auth = caller
      next()
    }
  }

  /** Resolves to the caller that an `Authorization` header authenticates; rejects with a Refusal. */
  async authorize(authorization, scope = '') {
    if (authorization === undefined) throw new Refusal('unauthorized')
    const claims = await this.#authenticate(credential(authorization))
    // Accepting a bound token as a bearer token would ignore the protection (RFC 9449 section 7.2, RFC 8705 section 3).
    if ('cnf' in claims) throw new Refusal('invalid_token')
    const granted = new Set(typeof claims.scope === 'string' ? claims.scope.split(' ') : [])
    const required = scope.split(' ').filter(Boolean)
    if (!required.every((value) => granted.has(value))) throw new Refusal('insufficient_scope', { scope })
    return {
      clientId: claims.client_id,
      subject: claims.sub,
      kind: claims.token_type === 'api_key' ? 'api_key' : 'access_token',
      scope: granted,
      claims,
    }
  }

  async #authenticate(token) {
    // An API key has no period.
    if (token.split('.').length !== 3) {
      if (!this.#introspection) throw new Refusal('invalid_token')
      return this.#introspection.introspect(token)
    }
    const claims = await this.#verify(token)
    return this.#options.introspectJwts ? this.#introspection.introspect(token) : claims
  }

  /** Verifies a JWT access token offline (RFC 9068 section 4). */
  async #verify(token) {
    const { issuer, audience, algorithms, leeway } = this.#options
    try {
      const { payload } = await jwtVerify(token, (header) => this.#keys.key(header), {
        issuer,
        audience,
        algorithms,
        clockTolerance: leeway,
        // An ID token or a logout token has the same issuer and keys, and another type.
        typ: 'at+jwt',
        requiredClaims: ['exp', 'client_id'],
      })
      return payload
    } catch (error) {
      if (error instanceof errors.JOSEError) throw new Refusal('invalid_token')
      throw error
    }
  }

  #respond(response, refusal) {
    response.statusCode = refusal.status
    response.setHeader('content-type', 'application/json')
    const header = challenge(refusal, this.#options.resourceMetadata)
    if (header) response.setHeader('www-authenticate', header)
    else response.setHeader('retry-after', '1')
    response.end(JSON.stringify({ error: refusal.code }))
  }
}

/** The token of a Bearer header, or the API key of a Basic header: Base64 of KEY or of KEY and a colon. */
function credential(authorization) {
  const [, scheme, value] = /^(\S+) +(\S+) *$/.exec(authorization) ?? []
  let token
  if (scheme?.toLowerCase() === 'bearer') token = value
  if (scheme?.toLowerCase() === 'basic') token = /^([^:]*):?$/.exec(Buffer.from(value, 'base64').toString())?.[1]
  // The characters of b64token (RFC 6750 section 2.1).
  if (!token || token.length > MAX_CREDENTIAL || !/^[\w.~+/=-]+$/.test(token)) throw new Refusal('invalid_token')
  return token
}
