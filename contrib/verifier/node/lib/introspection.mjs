import { createHash } from 'node:crypto'
import { Refusal } from './refusal.mjs'

/** Introspection of credentials (RFC 7662), with a cache. */
export class Introspection {
  #url
  #options
  #authorization
  #cache
  /** The calls that are running: concurrent requests with the same credential share one. */
  #calls = new Map()

  constructor(url, options) {
    this.#url = url
    this.#options = options
    this.#cache = new AnswerCache(options.cacheSize)
    // RFC 6749 section 2.3.1.
    const credentials = [options.clientId, options.clientSecret].map(encodeURIComponent).join(':')
    this.#authorization = `Basic ${Buffer.from(credentials).toString('base64')}`
  }

  /** Resolves to the members of the response for an active credential. */
  async introspect(token) {
    // The cache holds no secret.
    const hash = createHash('sha256').update(token).digest('base64')
    let answer = this.#cache.get(hash)
    if (!answer) {
      let call = this.#calls.get(hash)
      if (!call) {
        call = this.#call(token, hash).finally(() => this.#calls.delete(hash))
        this.#calls.set(hash, call)
      }
      answer = await call
    }
    if (!answer.active) throw new Refusal('invalid_token')
    return answer
  }

  async #call(token, hash) {
    let answer
    try {
      const response = await fetch(this.#url, {
        method: 'POST',
        headers: { accept: 'application/json', authorization: this.#authorization },
        body: new URLSearchParams({ token }),
        redirect: 'error',
        signal: AbortSignal.timeout(this.#options.timeout * 1000),
      })
      if (!response.ok) throw new Error(`status ${response.status}`)
      answer = await response.json()
      if (typeof answer?.active !== 'boolean') throw new Error('the response has no "active"')
    } catch (error) {
      const cause = new Error(`cannot introspect: ${this.#url}`, { cause: error })
      throw new Refusal('temporarily_unavailable', { cause })
    }
    this.#cache.set(hash, answer, this.#ttl(answer))
    return answer
  }

  /** How long an answer is cached, in seconds: no longer than the credential is valid. */
  #ttl({ active, exp }) {
    if (!active) return this.#options.inactiveTtl
    return Math.min(this.#options.activeTtl, (exp ?? Infinity) - Date.now() / 1000)
  }
}

/** Answers by the hash of the credential, limited in number and time. */
export class AnswerCache {
  #size
  /** A Map keeps the order of insertion, so the first entry is the one that was used least recently. */
  #entries = new Map()

  constructor(size) {
    this.#size = size
  }

  get(hash) {
    const entry = this.#entries.get(hash)
    if (!entry) return undefined
    this.#entries.delete(hash)
    if (performance.now() >= entry.expiresAt) return undefined
    this.#entries.set(hash, entry)
    return entry.answer
  }

  set(hash, answer, ttl) {
    if (!(ttl > 0)) return
    this.#entries.set(hash, { answer, expiresAt: performance.now() + ttl * 1000 })
    if (this.#entries.size > this.#size) this.#entries.delete(this.#entries.keys().next().value)
  }

  get size() {
    return this.#entries.size
  }
}
