// API keys and applications, as a partner's developer and as an operator.
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { generateKeyPairSync, randomUUID, sign } from 'node:crypto'
import { mkdtempSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { SignJWT } from 'jose'
import {
  basic, content, control, eventually, fill, form, given, input, lacks, leads, leave, member, notice, press,
  reloadedUntil, row, shot, shows, tab, titled, to, token, verify, visitor, wrong,
} from './browser.mjs'

const { developer, operator } = input.people
const own = input.import.client_id
const KEYS = `/applications/${own}/keys`
const shell = (line, environment = {}) =>
  promisify(execFile)('sh', ['-c', line], { env: { ...process.env, ...environment } }).then((done) => done.stdout)

const unfold = () => page.locator('details.more').evaluate((limits) => { limits.open = true })

let page

async function makingAKey() {
  page = await member(developer)
  await page.context().grantPermissions(['clipboard-read', 'clipboard-write'])
  await press(page, 'API keys', 'nav')
  await titled(page, 'API keys')
  await press(page, 'Order import')
  await titled(page, 'API keys of Order import')
  await shows(page, 'If it was leaked, rotate it and expire the old key immediately.')
  assert.equal(await control(page, /^Revoke/).count(), 0)
  // The fields for limits are collapsed at first.
  assert.equal(await page.locator('#allowed_ips').isVisible(), false)
  await fill(page, { name: 'Nightly import' })
  await press(page, 'Create key')
  await titled(page, 'API key created')
  await shows(page, 'This is shown only once.')
  // Switching the language does not lose the key: it opens another tab.
  assert.equal(await page.locator('header .languages').first().getAttribute('target'), '_blank')
  const key = await given(page, 'key')
  assert.match(key, /^kwk_/)
  assert.equal(await verify(key), 200)
  const header = (await given(page, 'header')).replace('Authorization: ', '')
  assert.equal((await fetch(`${input.base}/verify`, { headers: { authorization: header } })).status, 200)
  assert.match(await shell(await given(page, 'curl')), /^HTTP\/1.1 200/)
  await shot(page, 'key-made')

  const copy = control(page, 'Copy Nightly import')
  await copy.click()
  assert.equal(await page.evaluate(() => navigator.clipboard.readText()), key)
  await page.getByText('Copied').waitFor()
  // Without the clipboard API (no TLS), the script falls back to `execCommand`.
  await page.evaluate(() => {
    navigator.clipboard.writeText = () => Promise.reject(new Error('none'))
    document.addEventListener('copy', () => { globalThis.taken = document.getSelection().toString() || document.activeElement.value })
  })
  await control(page, /^(Copy|Copied) Authorization header/).click()
  await eventually('the copy', () => page.evaluate(() => globalThis.taken))
  assert.equal(await page.evaluate(() => navigator.clipboard.readText()), `Authorization: ${header}`)

  await leads(page, () => page.reload())
  await notice(page, 'You already submitted this form. Nothing was created twice.')
  assert.ok(!(await page.content()).includes(key), 'shown once')
  assert.equal(await row(page, 'Nightly import').count(), 1)
  await to(page, KEYS)
  assert.ok(!(await page.content()).includes(key), 'shown once')
  await shows(page, new RegExp(`Nightly import\\s+${key.slice(0, 8)}`))

  await fill(page, { name: 'Nightly import' })
  await unfold()
  await fill(page, { expires_in: '90d', scope: 'orders:read', allowed_ips: '203.0.113.0/24' })
  await press(page, 'Create key')
  await wrong(page, 'name', 'This name is already in use.')
  const typed = async () => ({
    name: await page.locator('#name').inputValue(), ends: await page.locator('#expires_in').inputValue(),
    scope: await page.locator('[name=scope]:checked').evaluateAll((all) => all.map((one) => one.value)),
    addresses: await page.locator('#allowed_ips').inputValue(),
  })
  const kept = { name: 'Nightly import', ends: '90d', scope: ['orders:read'], addresses: '203.0.113.0/24' }
  assert.deepEqual(await typed(), kept)
  assert.equal(await page.locator('#allowed_ips').isVisible(), true)
  await unfold()
  await fill(page, { name: 'Warehouse', allowed_ips: '203.0.113.0/24\nnot an address' })
  await press(page, 'Create key')
  await wrong(page, 'allowed_ips', 'Enter IP addresses or ranges such as 203.0.113.0/24.')
  assert.equal(await page.locator('#allowed_ips').isVisible(), true)
  await fill(page, { allowed_ips: '203.0.113.0/24\n2001:db8::/32', resources: 'https://orders.example/' })
  await press(page, 'Create key')
  await titled(page, 'API key created')
  // The key is refused from this address.
  const refused = await given(page, 'key')
  assert.equal(await verify(refused), 401)
  await press(page, 'Go to API keys')
  const limited = await row(page, 'Warehouse').innerText()
  for (const words of ['orders:read', 'https://orders.example/', '203.0.113.0/24', '2001:db8::/32', /in (89|90) days/]) assert.match(limited, new RegExp(words))
  await editingAKey(refused)
  return key
}

/** The key is limited to other addresses, one scope and 90 days. */
async function editingAKey(key) {
  await press(page, 'Edit Warehouse')
  await titled(page, 'Edit Warehouse')
  assert.equal(await page.locator('#name').inputValue(), 'Warehouse')
  assert.equal(await page.locator('#allowed_ips').inputValue(), '203.0.113.0/24\n2001:db8::/32')
  assert.deepEqual(await page.locator('[name=scope]:checked').evaluateAll((all) => all.map((one) => one.value)), ['orders:read'])
  await fill(page, { name: 'Nightly import' })
  await press(page, 'Save')
  await wrong(page, 'name', 'This name is already in use.')
  await fill(page, { name: 'Warehouse', allowed_ips: '127.0.0.0/8' })
  await press(page, 'Save')
  await notice(page, 'API key updated.')
  await eventually('the new addresses', async () => (await verify(key)) === 200)
  const edited = await row(page, 'Warehouse').innerText()
  for (const words of ['orders:read', '127.0.0.0/8', /in (89|90) days/]) assert.match(edited, new RegExp(words))
  await press(page, 'Edit Warehouse')
  await fill(page, { expires_in: 'never', scope: ['orders:read', 'orders:write'] })
  await press(page, 'Save')
  const unlimited = await row(page, 'Warehouse').innerText()
  assert.ok(!/days|orders:/.test(unlimited), unlimited)
}

async function theLifeOfAKey() {
  await to(page, KEYS)
  await fill(page, { name: 'Reports' })
  await press(page, 'Create key')
  const key = await given(page, 'key')
  assert.equal(await verify(key), 200)
  await press(page, 'Go to API keys')
  await control(page.locator('tbody'), 'Rotate Reports', 'tr').first().waitFor()
  await press(page, 'Rotate Reports')
  await titled(page, 'Rotate Reports')
  await fill(page, { grace: '1h' })
  await press(page, 'Rotate')
  await titled(page, 'API key rotated')
  const next = await given(page, 'key')
  assert.notEqual(next, key)
  assert.deepEqual([await verify(key), await verify(next)], [200, 200])
  await leads(page, () => page.reload())
  await notice(page, 'You already submitted this form. Nothing was created twice.')
  await to(page, KEYS)
  const ticking = row(page, 'Reports').locator('[data-until]')
  const words = await ticking.innerText()
  assert.match(words, /^59 min \d+ s$/)
  await eventually('the next second', async () => (await ticking.innerText()) !== words)
  assert.equal(await row(page, 'Reports').count(), 2)
  await shot(page, 'api-keys')

  // The confirmation shows the last use, which is written some seconds later.
  const used = row(page, 'Reports').filter({ hasText: 'just now' }).filter({ has: page.locator('td:has-text("Never")') })
  await eventually('the last use', async () => {
    await page.reload()
    return (await used.count()) === 1
  })
  await leads(page, () => used.getByRole('link', { name: 'Revoke Reports' }).first().click())
  await titled(page, 'Revoke Reports')
  await shows(page, 'Last used just now.', 'Anything that uses this key stops working immediately.')
  const late = await tab(page)
  await late.goto(page.url())
  await press(page, 'Revoke')
  await notice(page, 'API key revoked.')
  assert.deepEqual([await verify(key), await verify(next)], [200, 401])
  assert.equal((await press(late, 'Revoke')).status(), 404)
  await shows(late, 'This API key doesn’t exist. It was revoked or has expired.')
  await late.close()

  await to(page, KEYS)
  await press(page, /^Revoke Warehouse/)
  await shows(page, 'Last used just now.')
  await press(page, 'Cancel')
  await titled(page, 'API keys of Order import')
}

async function theMostKeys() {
  const path = `/applications/${input.tracking.client_id}/keys`
  for (let number = 2; number <= 10; number += 1) {
    await to(page, path)
    await fill(page, { name: `Depot ${number}` })
    await press(page, 'Create key')
  }
  // A form that was loaded before there were ten keys.
  await to(page, path)
  await shows(page, 'You’ve reached the limit of 10 keys', '“Last used” shows which.')
  assert.equal(await control(page, 'Create key').count(), 0)
  assert.equal(await page.locator('#name').count(), 0)
  await press(page, 'Revoke Depot 10')
  await press(page, 'Revoke')
  assert.equal(await control(page, 'Create key').count(), 1)
}

async function anApplication() {
  const ours = await member(developer)
  await press(ours, 'Applications', 'nav')
  await press(ours, 'New application')
  assert.deepEqual(await ours.locator('[name=scope]').evaluateAll((all) => all.map((one) => one.value)), ['orders:read', 'orders:write'])
  assert.equal(await ours.locator('#account').count(), 0)
  assert.equal(await ours.locator('#more_scope').count(), 0)
  await fill(ours, { name: 'Returns', scope: 'orders:read', resources: input.resource.identifier })
  await press(ours, 'Create application')
  await titled(ours, 'Application created')
  const [id, secret, key] = [await given(ours, 'client-id'), await given(ours, 'client-secret'), await given(ours, 'api-key')]
  assert.equal(await verify(key), 200)
  assert.match(await given(ours, 'header'), /^Authorization: Basic [A-Za-z0-9+/=]+$/)
  assert.equal(JSON.parse(await shell(`${await given(ours, 'first-token')} 2>/dev/null`)).scope, 'orders:read')
  await leads(ours, () => ours.reload())
  await notice(ours, 'You already submitted this form. Nothing was created twice.')
  await to(ours, '/applications')
  assert.equal(await row(ours, 'Returns').count(), 1)
  // A forged form cannot grant what the account does not have either.
  await press(ours, 'New application')
  await ours.locator('[name=scope]').first().evaluate((box) => { box.value = 'keyward:operate' })
  await fill(ours, { name: 'Too much', scope: 'keyward:operate' })
  await press(ours, 'Create application')
  assert.equal(await ours.locator('#name').inputValue(), 'Too much')
  await shows(ours, 'None of your account’s applications has the scope keyward:operate without a resource server. Select one, or ask an operator.')

  const [one, two] = [ours, await tab(ours)]
  for (const own of [one, two]) await to(own, `/applications/${id}/edit`)
  await fill(one, { name: 'Returns, production', scope: ['orders:read', 'orders:write'] })
  await press(one, 'Save')
  await notice(one, 'Changes saved.')
  await titled(one, 'Returns, production')
  assert.equal((await token(id, secret)).scope, 'orders:read orders:write')
  await fill(two, { name: 'Returns, test' })
  await press(two, 'Save')
  await wrong(two, null, 'Someone else changed this while you were editing.')
  await shows(two, /Current values[^]*Returns, production[^]*orders:write/)
  assert.equal(await two.locator('#name').inputValue(), 'Returns, test')
  await press(two, 'Save')
  await notice(two, 'Changes saved.')
  await titled(two, 'Returns, test')
  assert.equal((await token(id, secret)).scope, 'orders:read')

  await press(two, 'Disable')
  await shows(two, 'All secrets, API keys and tokens of Returns, test stop working immediately.')
  await press(two, 'Disable application')
  await notice(two, 'Application disabled. Its secrets, API keys and tokens no longer work.')
  assert.deepEqual([(await token(id, secret)).error, await verify(key)], ['invalid_client', 401])
  await press(two, 'Enable')
  await notice(two, 'Application enabled.')
  assert.deepEqual([(await token(id, secret)).status, await verify(key)], [200, 200])

  await press(two, 'Delete')
  await press(two, 'Delete application')
  await notice(two, 'Application deleted. Its secrets, API keys and tokens no longer work.')
  await lacks(two, 'Returns')
  assert.equal((await token(id, secret)).error, 'invalid_client')
  const answer = await to(one, `/applications/${id}`)
  assert.equal(answer.status(), 404)
  await titled(one, 'Not found')
  await leave(ours)
}

async function asAnOperator() {
  const other = await member(operator)
  await to(other, '/accounts')
  await fill(other, { name: 'Bolt Couriers' })
  await press(other, 'Create account')
  await to(other, '/people')
  await fill(other, { email: 'bo@bolt.example', role: 'administrator', account: { label: 'Bolt Couriers' } })
  await press(other, 'Invite a person')
  const guest = await visitor()
  await guest.goto(await given(other, 'link'))
  await fill(guest, { password: input.password })
  await press(guest, 'Set password')
  await fill(guest, { email: 'bo@bolt.example', password: input.password })
  await press(guest, 'Sign in')
  await titled(guest, 'Applications')
  await shows(guest, 'No applications yet', 'Create one for each program')
  await shot(guest, 'first-steps')
  await press(guest, 'New application')
  await shows(guest, 'There’s nothing to grant yet.')

  await to(other, '/applications/new')
  await fill(other, { name: 'Courier app', account: { label: 'Bolt Couriers' }, resources: input.resource.identifier, more_scope: 'routes:read' })
  await press(other, 'Create application')
  await titled(other, 'Application created')
  const [id, secret] = [await given(other, 'client-id'), await given(other, 'client-secret')]
  assert.equal((await token(id, secret)).scope, 'routes:read')
  await to(guest, '/applications/new')
  assert.deepEqual(await guest.locator('[name=scope]').evaluateAll((all) => all.map((one) => one.value)), ['routes:read'])
  await to(other, '/applications')
  await fill(other, { account: { label: 'Bolt Couriers' } })
  await press(other, 'Filter')
  await shows(other, 'Courier app')
  await lacks(other, 'Order import')
  // Applications of other accounts do not exist.
  assert.equal((await to(guest, `/applications/${own}`)).status(), 404)
  for (const one of [guest, other]) await leave(one)
}

async function secretsAndTokens() {
  const id = input.tracking.client_id
  const first = input.tracking.client_secret
  await to(page, `/applications/${id}`)
  await press(page, 'Activity')
  await shows(page, 'No active tokens', 'No recent failures')
  const issued = await token(id, first)
  const active = async () => (await form('/oauth/introspect', basic(input.resource.client_id, input.resource.client_secret), { token: issued.access_token })).active
  assert.equal(await active(), true)
  await page.reload()
  await shows(page, /Active tokens[^]*orders:read orders:write[^]*Active/)
  await lacks(page, 'bound to a key')
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const endpoint = `${input.base}/oauth/token`
  const proof = await new SignJWT({ jti: randomUUID(), htm: 'POST', htu: endpoint })
    .setProtectedHeader({ alg: 'ES256', typ: 'dpop+jwt', jwk: publicKey.export({ format: 'jwk' }) })
    .setIssuedAt()
    .sign(privateKey)
  const headers = { authorization: basic(id, first), dpop: proof }
  const bound = await fetch(endpoint, { method: 'POST', headers, body: new URLSearchParams({ grant_type: 'client_credentials' }) })
  assert.equal((await bound.json()).token_type, 'DPoP')
  await page.reload()
  await shows(page, 'bound to a key')

  await press(page, 'Credentials')
  await shows(page, 'API keys', 'Client secrets', 'Trust rules')
  await press(page, 'Manage client secrets')
  await fill(page, { name: 'Nightly import' })
  await press(page, 'Create secret')
  await titled(page, 'Client secret created')
  const second = await given(page, 'client-secret')
  assert.equal(JSON.parse(await shell(`${await given(page, 'first-token')} 2>/dev/null`)).token_type, 'Bearer')
  await leads(page, () => page.reload())
  await notice(page, 'You already submitted this form. Nothing was created twice.')
  await to(page, `/applications/${id}/secrets`)
  assert.equal(await page.locator('tbody tr').count(), 2)
  await fill(page, { grace: '1h' })
  await press(page, 'Rotate secret')
  const third = await given(page, 'client-secret')
  await press(page, 'Go to client secrets')
  assert.equal(await page.locator('[data-until]').count(), 2)
  assert.match(await page.locator('[data-until]').first().innerText(), /^(59 min \d+ s|1 h 0 min 0 s)$/)
  for (const secret of [first, second, third]) assert.equal((await token(id, secret)).status, 200)

  await shows(page, 'Nightly import')
  await press(page, /^Rename Nightly import/)
  await fill(page, { name: 'Monthly import' })
  await press(page, 'Save')
  await notice(page, 'Client secret renamed.')
  await press(page, /^Delete Monthly import/)
  await shows(page, 'Anything that authenticates with this secret stops working immediately.')
  await press(page, 'Delete secret')
  await notice(page, 'Client secret deleted.')
  assert.equal((await token(id, second)).error, 'invalid_client')
  await fill(page, { grace: '0s' })
  await press(page, 'Rotate secret')
  const fourth = await given(page, 'client-secret')
  assert.equal((await token(id, third)).error, 'invalid_client')
  assert.equal((await token(id, `${fourth.slice(0, -4)}aaaa`)).error, 'invalid_client')
  assert.equal((await token(id, input.import.client_secret)).error, 'invalid_client')
  assert.equal((await form('/oauth/token', null, { grant_type: 'client_credentials', client_id: id })).error, 'invalid_client')
  await press(page, 'Go to client secrets')
  await lacks(page, third.split('_')[1])

  await to(page, `/applications/${id}/activity`)
  // Failures are written in batches, so the test waits for each.
  await reloadedUntil(page, 'not a valid client secret')
  for (const other of [second, third, input.import.client_secret]) await reloadedUntil(page, `unknown secret ${other.split('_')[1]}: deleted, or of another application`)
  await shot(page, 'application')

  await press(page, 'Revoke all tokens')
  await shows(page, 'All access tokens issued to Parcel tracking so far stop working immediately.')
  await press(page, 'Revoke all tokens')
  await notice(page, 'All tokens of this application were revoked.')
  assert.equal(await active(), false)
  assert.equal((await token(id, fourth)).status, 200)
}

async function trustingAWorkload() {
  const rules = `/applications/${own}/trust-rules`
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const jwks = JSON.stringify({ keys: [{ ...publicKey.export({ format: 'jwk' }), kid: 'one' }] })
  const part = (value) => Buffer.from(JSON.stringify(value)).toString('base64url')
  const jwt = (claims) => {
    const now = Math.floor(Date.now() / 1000)
    const signed = `${part({ alg: 'ES256', kid: 'one', typ: 'JWT' })}.${part({ iss: 'https://kubernetes.default.svc', aud: [input.base], iat: now, exp: now + 300, ...claims })}`
    return `${signed}.${sign('sha256', signed, { key: privateKey, dsaEncoding: 'ieee-p1363' }).toString('base64url')}`
  }
  const pod = jwt({ sub: 'system:serviceaccount:payments:batch', 'kubernetes.io': { namespace: 'payments' } })
  const exchange = () => form('/oauth/token', null, { grant_type: 'urn:ietf:params:oauth:grant-type:jwt-bearer', assertion: pod, client_id: own })
  assert.equal((await exchange()).error, 'invalid_grant')

  await to(page, `/applications/${own}/credentials`)
  await press(page, 'Manage trust rules')
  await titled(page, 'Trust rules of Order import')
  await shows(page, 'No trust rules')
  await press(page, 'New trust rule')
  await press(page, 'Kubernetes')
  await titled(page, 'New trust rule: Kubernetes')
  // The sample follows what is typed.
  await fill(page, { namespace: 'payments', service_account: 'batch', issuer: 'https://kubernetes.default.svc' })
  const preview = page.locator('#preview')
  await eventually('the preview', async () => (await preview.innerText()).includes('sub=system:serviceaccount:payments:batch'))
  assert.match(await preview.locator('tr').filter({ hasText: 'kubernetes.io.namespace' }).innerText(), /payments/)
  await fill(page, { conditions: 'kubernetes.io.namespace=orders' })
  await eventually('the unmet condition', async () => /orders\s+Not met by the sample/.test(await preview.innerText()))
  await fill(page, { conditions: 'sub^=system:' })
  await page.locator('details.more').evaluate((keys) => { keys.open = true })
  await fill(page, { jwks: 'nonsense' })
  await press(page, 'Create trust rule')
  await wrong(page, 'jwks', 'Enter a JWK Set with valid public keys.')
  assert.equal(await page.locator('#namespace').inputValue(), 'payments')
  await fill(page, { jwks, conditions: '' })
  await shot(page, 'trust-rule', { fullPage: true })
  await press(page, 'Create trust rule')
  await notice(page, 'Trust rule created.')
  await eventually('the token', async () => (await exchange()).token_type === 'Bearer')
  await shot(page, 'trust-rules')

  await press(page, 'Test a token')
  await fill(page, { jwt: pod })
  await press(page, 'Test a token')
  await shows(page, 'A trust rule accepts this token or certificate.', 'Accepted', 'system:serviceaccount:payments:batch')
  assert.equal(await page.locator('#jwt').inputValue(), '', 'a token is not sent back')
  await fill(page, { jwt: jwt({ sub: 'system:serviceaccount:payments:other' }) })
  await press(page, 'Test a token')
  await shows(page, 'No trust rule accepts this token or certificate.', 'the JWT or certificate doesn’t meet the condition sub=system:serviceaccount:payments:batch')
  await fill(page, { jwt: jwt({ iss: 'https://other.example' }) })
  await press(page, 'Test a token')
  await shows(page, 'there is no trust rule for the issuer https://other.example')
  await fill(page, { jwt: 'nonsense' })
  await press(page, 'Test a token')
  await shows(page, 'No trust rule accepts this token or certificate.')
  await shot(page, 'trust-rule-test')

  // The audit says which rule and which claims gave the token.
  await to(page, '/audit?action=token.issue')
  await shows(page, 'Token issued by a trust rule', 'Issuer: https://kubernetes.default.svc', 'Claims: sub=system:serviceaccount:payments:batch')
  await to(page, rules)
  await press(page, /^Disable/)
  await notice(page, 'Trust rule disabled. Workloads can no longer authenticate with it.')
  assert.equal((await exchange()).error, 'invalid_grant')
  await press(page, /^Enable/)
  await notice(page, 'Trust rule enabled.')
  assert.equal((await exchange()).token_type, 'Bearer')
  await press(page, /^Delete/)
  await press(page, 'Delete trust rule')
  await notice(page, 'Trust rule deleted.')
  assert.equal((await exchange()).error, 'invalid_grant')
  // A rule that trusts a whole platform is refused.
  await to(page, `${rules}/new?platform=custom`)
  await fill(page, { issuer: 'https://token.actions.githubusercontent.com', conditions: 'sub~=**' })
  await press(page, 'Create trust rule')
  const alert = await page.getByRole('alert').innerText()
  assert.ok(alert.includes('issues tokens to all of its customers'), alert)
}

async function trustingACertificate() {
  const rules = `/applications/${own}/trust-rules`
  const { spiffe_id, bundle, certificate } = input.svid
  await to(page, `${rules}/new`)
  await press(page, 'SPIFFE (X.509-SVID)')
  await titled(page, 'New trust rule: SPIFFE (X.509-SVID)')
  // A certificate has no audience, and is presented more than once.
  for (const field of ['audience', 'single_use']) assert.equal(await page.locator(`[name=${field}]`).count(), 0, field)
  await fill(page, { spiffe_id: 'spiffe://acme.example' })
  await fill(page, { jwks: bundle })
  await press(page, 'Create trust rule')
  await wrong(page, 'spiffe_id', 'Enter a value such as spiffe://acme.example/ns/payments/sa/batch.')
  await fill(page, { spiffe_id })
  const preview = page.locator('#preview')
  await eventually('the preview', async () => (await preview.innerText()).includes(`sub=${spiffe_id}`))
  await fill(page, { conditions: 'email=ada@acme.example' })
  await press(page, 'Create trust rule')
  await wrong(page, 'conditions', 'Enter conditions on sub only, which is the SPIFFE ID. A certificate has no email.')
  const { publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  await fill(page, { conditions: '', jwks: JSON.stringify({ keys: [publicKey.export({ format: 'jwk' })] }) })
  await press(page, 'Create trust rule')
  await wrong(page, 'jwks', 'Enter a JWK Set with valid public keys.')
  await fill(page, { jwks: bundle })
  await press(page, 'Create trust rule')
  await notice(page, 'Trust rule created.')
  await shows(page, 'spiffe://acme.example', 'X.509-SVID', `sub=${spiffe_id}`)

  await press(page, 'Test a token')
  await fill(page, { certificate })
  await press(page, 'Test a token')
  await shows(page, 'A trust rule accepts this token or certificate.', 'Accepted', spiffe_id, 'cnf.x5t#S256')
  await fill(page, { certificate: 'nonsense' })
  await press(page, 'Test a token')
  await shows(page, 'No trust rule accepts this token or certificate.', 'the client certificate can’t be read')
  await to(page, rules)
  await press(page, /^Delete/)
  await press(page, 'Delete trust rule')
  await notice(page, 'Trust rule deleted.')
}

async function aCertificate() {
  await to(page, '/applications/new')
  await unfold()
  await fill(page, { name: 'Batch', scope: 'orders:read', resources: input.resource.identifier, auth_method: 'tls_client_auth' })
  await press(page, 'Create application')
  await wrong(page, 'certificate_name', 'Enter the name that the client certificate must have.')
  await fill(page, { certificate_name_kind: 'tls_client_auth_san_ip', certificate_name: 'batch.acme.example' })
  await press(page, 'Create application')
  await wrong(page, 'certificate_name', 'Enter a valid name for this kind of certificate name.')
  await fill(page, { certificate_name_kind: 'tls_client_auth_san_dns' })
  await press(page, 'Create application')
  await titled(page, 'Application created')
  const id = await given(page, 'client-id')
  await to(page, `/applications/${id}`)
  await shows(page, 'Certificate of a certificate authority (tls_client_auth)', /DNS name\s+batch\.acme\.example/)
  await press(page, 'Edit')
  await unfold()
  assert.equal(await page.locator('#certificate_name_kind').inputValue(), 'tls_client_auth_san_dns')
  await fill(page, { auth_method: 'self_signed_tls_client_auth' })
  await press(page, 'Save')
  await wrong(page, 'jwks', 'Enter a JWK Set with the client certificate in x5c.')
  await fill(page, { jwks: input.svid.bundle })
  await press(page, 'Save')
  await notice(page, 'Changes saved.')
  await shows(page, 'Registered certificate (self_signed_tls_client_auth)')
  await press(page, 'Delete')
  await press(page, 'Delete application')
}

async function aSecurityProfile() {
  await to(page, '/applications/new')
  await unfold()
  await fill(page, { name: 'Bank', scope: 'orders:read', resources: input.resource.identifier, profile: 'fapi2' })
  await press(page, 'Create application')
  await wrong(page, 'auth_method', 'The security profile fapi2 doesn’t allow the authentication method client_secret_basic.')
  const jwk = generateKeyPairSync('ec', { namedCurve: 'P-256' }).publicKey.export({ format: 'jwk' })
  await fill(page, { auth_method: 'private_key_jwt', jwks: JSON.stringify({ keys: [jwk] }) })
  await press(page, 'Create application')
  await titled(page, 'Application created')
  const id = await given(page, 'client-id')
  assert.equal(await page.locator('#api-key').count(), 0)
  await press(page, 'Quick start')
  assert.deepEqual(await page.locator('.tabs a').allInnerTexts(), ['Python', 'JavaScript'])
  for (const words of [id, 'PrivateKeyJwt(', 'dpop_bound_access_tokens=True']) assert.ok((await given(page, 'code')).includes(words), words)
  await to(page, `/applications/${id}`)
  await shows(page, /Security profile\s+FAPI 2.0/)
  await press(page, 'Edit')
  await unfold()
  assert.equal(await page.locator('#profile').inputValue(), 'fapi2')
  await fill(page, { profile: 'none' })
  await press(page, 'Save')
  await notice(page, 'Changes saved.')
  await lacks(page, 'FAPI 2.0')
  await press(page, 'Delete')
  await press(page, 'Delete application')
}

async function theQuickStart() {
  await to(page, `/applications/${own}/quick-start`)
  const signs = { curl: 'curl ', Python: 'import requests', JavaScript: 'await fetch(', Go: 'package main', Java: 'class QuickStart', Rust: 'fn main()' }
  const folder = mkdtempSync(join(tmpdir(), 'keyward-quick-start-'))
  for (const [name, sign] of Object.entries(signs)) {
    await press(page, name)
    assert.equal(await page.locator('.tabs [aria-current]').innerText(), name)
    const code = await given(page, 'code')
    for (const words of [sign, own, `${input.base}/oauth/token`, input.resource.identifier]) assert.ok(code.includes(words), `${words}: ${code}`)
    const saved = (await content(page)).match(/Save this as (\S+)/)[1]
    assert.ok((await given(page, 'run')).length > 5)
    if (name === 'curl' || name === 'JavaScript') {
      writeFileSync(join(folder, saved), code)
      const said = await shell(`cd ${folder} && ${await given(page, 'run')}`, { CLIENT_SECRET: input.import.client_secret })
      const seen = await form('/oauth/introspect', basic(input.resource.client_id, input.resource.client_secret), { token: said.trim() })
      assert.deepEqual([seen.active, seen.client_id], [true, own])
    }
    if (name === 'Python') await shot(page, 'quick-start')
  }
  await leave(page)
}

export default [makingAKey, theLifeOfAKey, theMostKeys, anApplication, asAnOperator, secretsAndTokens, aSecurityProfile, aCertificate, trustingAWorkload, trustingACertificate, theQuickStart]
