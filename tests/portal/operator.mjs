// Pages of operators: the overview after real traffic, resource servers, registration, signing keys, the audit.
import assert from 'node:assert/strict'
import {
  PASSWORD, PHONE, basic, control, done, eventually, fill, form, given, input, lacks, leads, leave, member, notice,
  press, register, row, shot, shows, tab, titled, to, token, visitor, wrong,
} from './browser.mjs'

const { operator, developer } = input.people
let page

const introspect = (caller, presented) => form('/oauth/introspect', basic(caller.client_id, caller.client_secret), { token: presented })
const tile = async (name) => (await page.locator('.tile').filter({ has: page.getByText(name, { exact: true }) }).locator('dd').innerText()).trim()

async function theOverview() {
  page = await member(operator)
  await titled(page, 'Overview')
  await shows(page, 'No traffic yet')
  // The clock of the page only advances when the test advances it.
  await page.clock.install()
  await to(page, '/overview')
  for (let round = 0; round < 12; round += 1) {
    const { access_token: issued } = await token(input.import.client_id, input.import.client_secret)
    if (round % 2) await introspect(input.resource, issued)
    if (round % 3 === 0) await token(input.tracking.client_id, input.tracking.client_secret)
    if (round % 4 === 0) await token(input.tracking.client_id, 'not the secret')
  }
  const shown = () => page.locator('#refreshed').innerText()
  await eventually('the traffic, by itself', async () => {
    await page.clock.fastForward(15_500)
    return (await shown()).includes('Order import') && (await tile('Tokens issued')) === '16' && (await tile('Failures')) === '3'
  })
  assert.equal(await tile('Introspections'), '6')
  assert.match(await tile('Token latency, p95'), /^[\d.,]+ ms$/)
  assert.equal(await page.locator('svg path.line').count(), 12)
  const drawn = await page.locator('[aria-labelledby=rate-title] path.line').first().getAttribute('d')
  assert.ok(drawn.split('L').length > 30, drawn)
  // The texts of the cells: those of rows that a refresh replaces meanwhile have no layout.
  const busiest = await page.locator('section[aria-labelledby=top] tbody tr')
    .evaluateAll((rows) => rows.map((row) => [...row.cells].slice(0, 5).map((cell) => cell.textContent.trim())))
  assert.deepEqual(busiest,
    [['Order import', '12', '6', '0', '0'], ['Parcel tracking', '4', '0', '0', '3']])
  // The numbers are also available as a table, which is not refreshed while it is open.
  const numbers = page.locator('[aria-labelledby=rate-title]')
  await numbers.locator('summary').click()
  assert.ok((await numbers.locator('tbody').innerText()).includes('16'))
  const asked = []
  page.on('request', (request) => asked.push(request.url()))
  const quiet = async () => {
    await page.clock.fastForward(31_000)
    await page.evaluate(() => document.title)
    return asked.length
  }
  assert.equal(await quiet(), 0, 'it refreshes under the hands')
  await numbers.locator('summary').click()
  await control(page, 'Pause updates').click()
  assert.equal(await quiet(), 0, 'it refreshes though it was told to pause')
  await control(page, 'Resume updates').click()
  await page.clock.fastForward(16_000)
  await eventually('the refreshing', () => asked.length > 0)
  await press(page, 'Order import')
  await titled(page, 'Order import')
  // A user who signed out in another tab does not keep seeing old numbers.
  await to(page, '/overview')
  const other = await tab(page)
  await to(other, '/profile')
  await press(other, 'Sign out', 'header')
  await leads(page, () => page.clock.fastForward(16_000))
  await titled(page, 'Sign in')
  await leave(page)

  const partner = await member(developer)
  await to(partner, '/overview')
  await lacks(partner, 'Last hour')
  await shows(partner, 'Order import')
  await leave(partner)
}

async function accountsAndResourceServers() {
  page = await member(operator)
  await press(page, 'Accounts', 'nav')
  await shows(page, 'Acme Logistics')
  await fill(page, { name: 'Cargo Nord' })
  await press(page, 'Create account')
  await notice(page, 'Account created. Next, create its first application or invite a person.')
  await shows(page, 'Cargo Nord')
  await fill(page, { name: 'Cargo Nord' })
  await press(page, 'Create account')
  await wrong(page, 'name', 'This name is already in use.')
  await press(page, 'Require Cargo Nord')
  await notice(page, 'Changes saved.')
  assert.match(await row(page, 'Cargo Nord').innerText(), /Required/)
  await press(page, 'Make optional Cargo Nord')
  await press(page, 'Edit Cargo Nord')
  await titled(page, 'Cargo Nord')
  await fill(page, { max_clients: '3' })
  await press(page, 'Save')
  await notice(page, 'Changes saved.')
  assert.match(await row(page, 'Cargo Nord').innerText(), /\b3\b/)
  await press(page, 'Edit Cargo Nord')
  assert.equal(await page.locator('#max_clients').inputValue(), '3')
  await fill(page, { max_clients: '' })
  await press(page, 'Save')
  assert.match(await row(page, 'Cargo Nord').innerText(), /1,000/)

  await press(page, 'Resource servers', 'nav')
  await fill(page, { identifier: 'not a URI', name: 'Shipments API', scope: 'shipments:read' })
  await page.locator('main form').last().evaluate((own) => { own.noValidate = true })
  await press(page, 'Create resource server')
  await wrong(page, 'identifier', 'Enter a URI such as https://orders.example/, without a fragment.')
  await fill(page, { identifier: 'https://shipments.example/' })
  await press(page, 'Create resource server')
  await titled(page, 'Resource server created')
  const made = { client_id: await given(page, 'client-id'), client_secret: await given(page, 'client-secret') }
  await leads(page, () => page.reload())
  await notice(page, 'You already submitted this form. Nothing was created twice.')

  await to(page, '/resource-servers')
  await press(page, 'Edit Shipments API')
  await titled(page, 'Shipments API')
  assert.equal(await page.locator('select[name=token-typ]').inputValue(), 'at+jwt')
  assert.equal(await page.locator('select[name=signing-alg]').inputValue(), 'RS256')
  await fill(page, { 'token-typ': 'JWT', 'signing-alg': 'ES256' })
  await press(page, 'Save')
  await notice(page, 'Changes saved.')

  await to(page, '/applications/new')
  await fill(page, { name: 'Shipping labels', account: { label: 'Acme Logistics' }, resources: 'https://shipments.example/', scope: 'shipments:read' })
  await press(page, 'Create application')
  const own = { client_id: await given(page, 'client-id'), client_secret: await given(page, 'client-secret') }
  const { access_token: issued } = await token(own.client_id, own.client_secret)
  assert.equal(JSON.parse(Buffer.from(issued.split('.')[0], 'base64url')).typ, 'JWT')
  await eventually('the algorithm', async () => {
    const { access_token: next } = await token(own.client_id, own.client_secret)
    return JSON.parse(Buffer.from(next.split('.')[0], 'base64url')).alg === 'ES256'
  })
  assert.equal((await introspect(made, issued)).active, true)
  assert.equal((await introspect(input.resource, issued)).active, false)

  await to(page, '/resource-servers')
  await press(page, 'Delete Shipments API')
  await shows(page, 'This deletes https://shipments.example/ and its introspection client.')
  await press(page, 'Delete resource server')
  await shows(page, 'One application uses this resource server. Remove it from the application first.')
  await to(page, `/applications/${own.client_id}/delete`)
  await press(page, 'Delete application')
  await to(page, '/resource-servers')
  await press(page, 'Delete Shipments API')
  await press(page, 'Delete resource server')
  await notice(page, 'Resource server deleted.')
  await lacks(page, 'Shipments API')
  assert.equal((await introspect(made, issued)).error, 'invalid_client')
}

async function registration() {
  await press(page, 'Initial access tokens', 'nav')
  await shows(page, 'No initial access tokens')
  await fill(page, { account: { label: 'Acme Logistics' }, resources: input.resource.identifier, scope: 'orders:read', uses: '1' })
  await press(page, 'Create token')
  await titled(page, 'Initial access token created')
  const bearer = await given(page, 'token')
  assert.ok((await given(page, 'register')).includes(bearer))
  const metadata = { client_name: 'Scanner 7', scope: 'orders:read' }
  const own = await register(bearer, metadata)
  assert.equal((await token(own.client_id, own.client_secret)).scope, 'orders:read')
  assert.equal((await register(bearer, metadata)).error, 'invalid_token')
  await press(page, 'Go to initial access tokens')
  await shows(page, 'Used up')
  await to(page, '/applications')
  await press(page, 'Scanner 7')
  await shows(page, 'Anyone with its registration access token')
  const reads = (registrationToken) => fetch(own.registration_client_uri, { headers: { authorization: `Bearer ${registrationToken}` } })
    .then((answer) => answer.status)
  assert.equal(await reads(own.registration_access_token), 200)
  await press(page, 'Renew registration access token')
  await press(page, 'Renew registration access token')
  await titled(page, 'New registration access token')
  assert.equal(await given(page, 'registration-client-uri'), own.registration_client_uri)
  const renewed = await given(page, 'registration-access-token')
  assert.equal(await reads(own.registration_access_token), 401)
  assert.equal(await reads(renewed), 200)
  await press(page, 'Go to application')
  await press(page, 'Revoke registration access token')
  await press(page, 'Revoke registration access token')
  await notice(page, 'Registration access token revoked.')
  await shows(page, 'It has no registration access token')
  assert.equal(await reads(renewed), 401)
  await to(page, '/registration-tokens')
  await press(page, /^Delete /)
  await press(page, 'Delete initial access token')
  await notice(page, 'Initial access token deleted.')
  await shows(page, 'No initial access tokens')
}

async function signingKeys() {
  await press(page, 'Signing keys', 'nav')
  const kids = async () => (await (await fetch(`${input.base}/.well-known/jwks.json`)).json()).keys.filter((key) => key.alg === 'RS256').map((key) => key.kid)
  const signs = async () => JSON.parse(Buffer.from((await token(input.import.client_id, input.import.client_secret)).access_token.split('.')[0], 'base64url')).kid
  const [first] = await kids()
  assert.match(await row(page, first).innerText(), /Signing/)
  await press(page, 'Rotate key')
  await notice(page, 'New key published.')
  await eventually('the new key', async () => (await kids()).length === 2)
  const second = (await kids()).find((kid) => kid !== first)
  assert.equal(await page.locator('.chart.keys rect').count() >= 3, true)
  await eventually('the change of keys', async () => {
    await page.reload()
    return (await row(page, first).innerText()).includes('Retiring')
  })
  assert.match(await row(page, second).innerText(), /Signing/)
  await eventually('the signatures', async () => (await signs()) === second)
  await shot(page, 'signing-keys')

  await press(page, `Retire ${first}`)
  await shows(page, 'only if the private key was leaked')
  await page.getByLabel('Retire immediately').check()
  await press(page, 'Retire')
  await notice(page, 'Key retired.')
  await eventually('its end', async () => !(await kids()).includes(first))
  assert.match(await row(page, first).innerText(), /Retired/)
}

async function theAudit() {
  await press(page, 'Audit log', 'nav')
  await shows(page, 'Signing key retired', 'Signing key rotated', operator)
  await shot(page, 'audit')
  await fill(page, { action: 'resource.create' })
  await press(page, 'Filter')
  assert.deepEqual([...new Set(await page.locator('tbody tr td:nth-child(2)').allInnerTexts())].map((cell) => cell.trim()), ['Resource server created'])
  assert.equal(await page.locator('#action').inputValue(), 'resource.create')
  await fill(page, { action: '', target: 'https://shipments.example/' })
  await press(page, 'Filter')
  await shows(page, 'Resource server deleted')
  await fill(page, { target: 'nothing like it' })
  await press(page, 'Filter')
  await shows(page, 'No entries match this filter.')
  await fill(page, { target: '', action: 'authentication.failure', account: { label: 'Acme Logistics' } })
  await press(page, 'Filter')
  await shows(page, 'not a valid client secret')

  // More than one page of failures, of several applications, since one would be rate limited.
  for (let number = 0; number < 26; number += 1) {
    for (const own of [input.import, input.tracking]) await token(own.client_id, 'not the secret')
  }
  await to(page, '/audit')
  await eventually('all of them', async () => {
    await page.reload()
    return (await page.locator('tbody tr').filter({ hasText: 'Authentication failed' }).count()) >= 50
  })
  assert.equal(await page.locator('tbody tr').count(), 50)
  await press(page, 'Older entries')
  await shows(page, 'Signing key retired')
  assert.ok((await page.locator('tbody tr').count()) > 3)
  // The next page keeps the filter.
  await to(page, '/audit?action=authentication.failure')
  await press(page, 'Older entries')
  assert.deepEqual([...new Set(await page.locator('tbody tr td:nth-child(2)').allInnerTexts())].map((cell) => cell.trim()), ['Authentication failed'])
  await leave(page)
}

async function pictures() {
  await done('traffic')
  for (const [name, options] of [
    ['overview', {}], ['overview-fr-dark', { locale: 'fr-FR', colorScheme: 'dark' }],
    ['overview-phone', { viewport: PHONE, deviceScaleFactor: 2 }],
  ]) {
    page = await visitor(options)
    await to(page, '/sign-in')
    await fill(page, { email: operator, password: PASSWORD })
    await leads(page, () => page.keyboard.press('Enter'))
    await page.locator('.tile').first().waitFor()
    await shot(page, name)
    if (name === 'overview') await shot(page, 'overview-whole', { fullPage: true })
    await leave(page)
  }
}

export default [theOverview, accountsAndResourceServers, registration, signingKeys, theAudit, pictures]
