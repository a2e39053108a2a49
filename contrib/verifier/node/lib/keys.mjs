import { importJWK } from 'jose'
import { Refusal } from './refusal.mjs'

/** How long the keys are fresh if the response does not say so, in seconds. */
const DEFAULT_MAX_AGE = 300

/** The longest that the keys are taken to be fresh, in seconds. */
const LONGEST_MAX_AGE = 86_400

/** The keys of the issuer, fetched when they are needed. */
export class Keys {
  #url
  #options
  #byKid = new Map()
  #freshUntil = -Infinity
  #attemptEnded = -Infinity
  #failure
  #fetching

  constructor(url, options) {
    this.#url = url
    this.#options = options
  }

  /**
   * Resolves to the key for the header of a JWT. Keys that are no longer fresh, or a kid that is unknown, lead to a
   * request, if the last one is long enough ago. If the issuer does not answer, the old keys stay in use.
   */
  async key({ kid, alg }) {
    const mayFetch = now() - this.#attemptEnded >= this.#options.minRefreshInterval
    const known = this.#byKid.has(kid)
    if (mayFetch && !(known && now() < this.#freshUntil)) {
      const fetching = (this.#fetching ??= this.#fetch())
      // The issuer did not answer last time: nobody waits for the next attempt.
      if (!(known && this.#failure)) await fetching
    }
    const key = this.#byKid.get(kid)
    if (!key && this.#failure) throw new Refusal('temporarily_unavailable', { cause: this.#failure })
    // A key is used with its own algorithm, never with one that only the token names.
    if (!key || key.algorithm !== canonical(alg)) throw new Refusal('invalid_token')
    return key.publicKey
  }

  async #fetch() {
    try {
      const response = await fetch(this.#url, {
        // Redirects are not followed: the issuer has none.
        redirect: 'error',
        signal: AbortSignal.timeout(this.#options.timeout * 1000),
      })
      if (!response.ok) throw new Error(`status ${response.status}`)
      const { keys } = await response.json()
      this.#byKid = new Map((await Promise.all(keys.map(parse))).filter(Boolean))
      this.#freshUntil = now() + maxAge(response.headers.get('cache-control'), response.headers.get('age'))
      this.#failure = undefined
    } catch (error) {
      this.#failure = new Error(`cannot fetch the keys of the issuer: ${this.#url}`, { cause: error })
      this.#options.onError(this.#failure)
    } finally {
      this.#attemptEnded = now()
      this.#fetching = undefined
    }
  }
}

/** EdDSA with Ed25519 has two names (RFC 9864). */
const canonical = (algorithm) => (algorithm === 'Ed25519' ? 'EdDSA' : algorithm)

/** The algorithm of a JWK without `alg`. */
const ALGORITHM_OF = { RSA: 'RS256', 'P-256': 'ES256', Ed25519: 'EdDSA' }

/** The kid and the key of a JWK for signatures by an algorithm that this package knows. */
async function parse(jwk) {
  const { kid, use, kty, crv } = jwk
  const algorithm = canonical(jwk.alg ?? ALGORITHM_OF[crv ?? kty])
  const fits = { RS256: kty === 'RSA', PS256: kty === 'RSA', ES256: crv === 'P-256', EdDSA: crv === 'Ed25519' }
  if (!kid || (use ?? 'sig') !== 'sig' || !fits[algorithm]) return undefined
  try {
    return [kid, { algorithm, publicKey: await importJWK(jwk, algorithm) }]
  } catch {
    return undefined
  }
}

/** How long a response is fresh, in seconds (RFC 9111 section 4.2), from Cache-Control and Age. */
export function maxAge(cacheControl, age) {
  if (cacheControl === null) return DEFAULT_MAX_AGE
  const directives = new Map(
    cacheControl.split(',').map((directive) => {
      const [name, value = ''] = directive.split('=', 2)
      return [name.trim().toLowerCase(), value.trim().replaceAll('"', '')]
    }),
  )
  if (directives.has('no-store') || directives.has('no-cache')) return 0
  if (!directives.has('max-age')) return DEFAULT_MAX_AGE
  const seconds = /^\d+$/.test(directives.get('max-age')) ? Number(directives.get('max-age')) : 0
  return Math.min(Math.max(seconds - (Number(age) || 0), 0), LONGEST_MAX_AGE)
}

/** Seconds of a clock that never jumps. */
function now() {
  return performance.now() / 1000
}
