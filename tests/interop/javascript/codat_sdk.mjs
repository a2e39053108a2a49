// The Codat platform's own SDK for TypeScript, unmodified, with only its server URL set.
import assert from 'node:assert/strict'
import { CodatPlatform } from '@codat/platform'
import * as errors from '@codat/platform/sdk/models/errors/index.js'

const { ISSUER, API_KEY, PLAIN_API_KEY } = process.env

const sdk = (authHeader) => new CodatPlatform({ authHeader, serverURL: ISSUER }).settings
const basic = (text) => `Basic ${Buffer.from(text).toString('base64')}`

const refused = (status, call, kind = errors.ErrorMessage) =>
  assert.rejects(call, (e) => {
    assert.equal(e.constructor, kind, e)
    assert.equal(e.statusCode, status, e)
    if (kind === errors.ErrorMessage) {
      assert.ok(e.error && e.correlationId, e)
      assert.equal(e.correlationId, e.headers.get('x-request-id'))
      assert.equal(e.data$.statusCode, status)
      assert.equal(e.canBeRetried, 'NotRetryable')
    }
    return true
  })

// Every release of this SDK reports a 204 as an error, since it requires a body, which a 204 cannot have.
const remove = (keys, apiKeyId) => refused(204, keys.deleteApiKey({ apiKeyId }), errors.SDKError)

const keys = sdk(basic(API_KEY))
const [first, ...others] = (await keys.listApiKeys()).results
assert.deepEqual(others, [])
assert.equal(first.name, 'Default')
assert.ok(API_KEY.startsWith(first.apiKey) && first.apiKey.length < 30)
console.log('list: the first key, never in full')

const made = await keys.createApiKey({ name: 'Zweiter Schlüssel' })
assert.equal(made.name, 'Zweiter Schlüssel')
assert.ok(made.apiKey.includes(made.id))
assert.ok(Math.abs(Date.now() - Date.parse(made.createdDate)) < 60_000, made.createdDate)
const listed = (await keys.listApiKeys()).results
assert.deepEqual(listed.map((key) => key.id).sort(), [first.id, made.id].sort())
const again = listed.find((key) => key.id === made.id)
assert.ok(again.apiKey !== made.apiKey && made.apiKey.startsWith(again.apiKey))
console.log('create: shown in full once')

for (const authorization of [`Bearer ${API_KEY}`, basic(`${API_KEY}:`)]) {
  assert.equal((await sdk(authorization).listApiKeys()).results.length, 2)
}
console.log('authorization: any of the three forms')

await refused(400, keys.createApiKey({ name: '' }))
await refused(400, keys.createApiKey({ name: null }))
await refused(400, keys.createApiKey())
await refused(409, keys.createApiKey({ name: 'Default' }))
for (const stranger of ['Basic nonsense', basic('kwk_nobody'), basic('a:b'), undefined]) {
  await refused(401, sdk(stranger).listApiKeys())
  await refused(401, sdk(stranger).createApiKey({ name: 'x' }))
  await refused(401, sdk(stranger).deleteApiKey({ apiKeyId: made.id }))
}
for (const authorization of [basic(PLAIN_API_KEY), basic(made.apiKey)]) {
  await refused(403, sdk(authorization).listApiKeys())
  await refused(403, sdk(authorization).createApiKey({ name: 'x' }))
  await refused(403, sdk(authorization).deleteApiKey({ apiKeyId: first.id }))
}
for (const unknown of ['nobody', '0'.repeat(16), PLAIN_API_KEY.split('_')[1], '../oauth/token', 'ä/ö %00']) {
  await refused(404, keys.deleteApiKey({ apiKeyId: unknown }))
}
console.log('errors: 400, 401, 403, 404, 409 as the SDK knows them')

for (let number = 0; number < 8; number++) await keys.createApiKey({ name: `Key ${number}` })
await refused(409, keys.createApiKey({ name: 'Key 10' }))
console.log('create: ten and no more')

const everything = (await keys.listApiKeys()).results
assert.equal(everything.length, 10)
for (const key of everything) if (key.id !== first.id) await remove(keys, key.id)
assert.deepEqual((await keys.listApiKeys()).results.map((key) => key.id), [first.id])
await refused(401, sdk(basic(made.apiKey)).listApiKeys())
await refused(404, keys.deleteApiKey({ apiKeyId: made.id }))
// The SDK has no model for this response.
await refused(409, keys.deleteApiKey({ apiKeyId: first.id }), errors.SDKError)
console.log('delete: gone at once; the last one stays')
