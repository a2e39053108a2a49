import assert from 'node:assert/strict'
import { test } from 'node:test'
import { AnswerCache } from '../lib/introspection.mjs'
import { maxAge } from '../lib/keys.mjs'
import { Refusal, challenge } from '../lib/refusal.mjs'

test('Cache-Control says how long the keys are fresh', () => {
  const cases = [
    [null, null, 300],
    ['public, max-age=60', null, 60],
    ['public, Max-Age=60', '20', 40],
    ['max-age=60', '90', 0],
    ['max-age=x', null, 0],
    ['no-cache, max-age=60', null, 0],
    ['public', null, 300],
    ['max-age=999999999', null, 86_400],
  ]
  for (const [cacheControl, age, seconds] of cases) assert.equal(maxAge(cacheControl, age), seconds, cacheControl)
})

test('the cache is limited in number and time, and keeps what is used', () => {
  const cache = new AnswerCache(3)
  for (const hash of ['a', 'b', 'c']) cache.set(hash, { active: true }, 10)
  assert.ok(cache.get('a'))
  cache.set('d', { active: false }, 10)
  assert.equal(cache.size, 3)
  assert.equal(cache.get('b'), undefined)
  assert.deepEqual(cache.get('a'), { active: true })
  for (const ttl of [0, -1, NaN]) cache.set('expired', { active: true }, ttl)
  assert.equal(cache.get('expired'), undefined)
})

test('challenges name the error, the scope and the metadata', () => {
  const metadata = 'https://a.example/m'
  const scope = new Refusal('insufficient_scope', { scope: 'orders:read' })
  assert.equal(challenge(new Refusal('unauthorized')), 'Bearer')
  assert.equal(challenge(new Refusal('unauthorized'), metadata), `Bearer resource_metadata="${metadata}"`)
  assert.equal(challenge(scope), 'Bearer error="insufficient_scope", scope="orders:read"')
  assert.equal(challenge(new Refusal('temporarily_unavailable'), metadata), undefined)
})
