// Every page, in both languages, by both lights, on a phone and on a desk; and what can be done on it with the keyboard alone.
import assert from 'node:assert/strict'
import {
  PASSWORD, PHONE, code, content, control, eventually, fill, given, input, leads, leave, press, row, shot, tab, tabTo,
  title, titled, to, token, verify, visitor,
} from './browser.mjs'
import { inspect, keyboard } from './looks.mjs'

const { administrator, developer, operator, viewer } = input.people
const own = `/applications/${input.import.client_id}`
const full = `/applications/${input.tracking.client_id}`
const findings = []
const looked = new Set()

const patterns = input.pages.map((path) => [path, new RegExp(`^/portal${path.replace(/\{\w+\}/g, '[^/]+')}$`)])

/** Looks at a page as it stands. */
async function look(page, language, name) {
  const path = new URL(page.url()).pathname
  // `/applications/new` is one of its own, and no application.
  const found = patterns.filter(([, pattern]) => pattern.test(path)).sort(([one], [other]) => one.split('{').length - other.split('{').length)[0]
  const first = found && !looked.has(`${language} ${found[0]}`)
  if (found) looked.add(`${language} ${found[0]}`)
  const wrong = await inspect(page, language, input.thorough)
  if (language === 'en' && first && input.thorough) wrong.push(...await keyboard(page))
  findings.push(...wrong.map((words) => `${language} ${name}: ${words}`))
}

const send = (page, within = 'main') => leads(page, () => page.locator(`${within} form:not(.filter) button:not([type=button])`).first().click())
const button = (page, action) => leads(page, () => page.locator(`form[action$="${action}"] button:not([type=button])`).first().click())
const unchecked = (page) => page.locator('main form').evaluateAll((all) => all.forEach((form) => { form.noValidate = true }))

/** Somebody in a browser of this language. */
async function someone(language, email, password = PASSWORD) {
  const page = await visitor({ locale: language === 'fr' ? 'fr-FR' : 'en-GB' })
  if (email) {
    await to(page, '/sign-in')
    await fill(page, { email, password })
    await send(page)
  }
  return page
}

async function gettingIn(language) {
  const see = (name) => look(page, language, name)
  let page = await someone(language)
  await to(page, '/sign-in')
  await see('sign-in')
  await fill(page, { email: developer, password: 'wrong' })
  await send(page)
  await see('sign-in, wrong')
  await to(page, '/nothing')
  await see('not found')
  await to(page, '/invitation/gone')
  await see('invitation, gone')
  const admin = await someone(language, administrator)
  const email = `guest-${language}@acme.example`
  await to(admin, '/people')
  await fill(admin, { email, role: 'developer' })
  await button(admin, '/people')
  await look(admin, language, 'link made')
  await page.goto(await given(admin, 'link'))
  await see('invitation')
  await fill(page, { password: 'short' })
  await send(page)
  await see('invitation, wrong')
  await fill(page, { password: PASSWORD })
  await send(page)
  await see('sign-in, password set')
  await fill(page, { email, password: PASSWORD })
  await send(page)
  await to(page, '/profile')
  await see('profile')
  await fill(page, { current: 'wrong', new: PASSWORD })
  await button(page, '/profile/password')
  await see('profile, wrong password')
  await to(page, '/profile/second-factor')
  await see('enrolment')
  await fill(page, { code: '000000' })
  await send(page)
  await see('enrolment, wrong')
  const secret = await given(page, 'secret')
  await eventually('a half minute', () => Date.now() % 30_000 < 26_000)
  await fill(page, { code: code(secret) })
  await send(page)
  await see('recovery codes')
  const [recovery] = (await given(page, 'codes')).split('\n')
  await to(page, '/profile')
  await see('profile with second factor')
  await fill(page, { code: '000000' })
  await button(page, '/profile/recovery-codes')
  await see('profile, wrong code')
  await leave(page)
  page = await someone(language, email)
  await see('second factor asked for')
  await to(page, '/second-factor')
  await see('second factor')
  await fill(page, { code: '000000' })
  await send(page)
  await see('second factor, wrong')
  await fill(page, { code: recovery })
  await send(page)
  await to(admin, '/people')
  await see('applications')
  await leads(admin, () => admin.getByRole('link', { name: email }).click())
  await look(admin, language, 'person with second factor')
  await leads(admin, () => admin.locator('a[href$="/remove"]').click())
  await look(admin, language, 'remove')
  await send(admin)
  await look(admin, language, 'people, removed')
  await leave(admin)
  await leave(page)
}

async function developing(language) {
  const page = await someone(language, developer)
  const see = (name) => look(page, language, name)
  const go = async (path, name = path) => { await to(page, path); await see(name) }
  await go('/overview', 'overview of an account')
  await go('/applications')
  await go('/applications/new')
  await fill(page, { name: ' ', scope: 'orders:read' })
  await unchecked(page)
  await send(page)
  await see('application, wrong')
  await fill(page, { name: `Page ${language}`, resources: input.resource.identifier })
  await send(page)
  await see('application made')
  const made = `/applications/${await given(page, 'client-id')}`
  const secret = await given(page, 'client-secret')
  await go(`${made}/secrets`)
  await leads(page, () => page.locator('a[href$="/delete"]').first().click())
  await see('delete the last secret')
  await to(page, `${made}/secrets`)
  await button(page, '/secrets')
  await see('secret made')
  await to(page, `${made}/secrets`)
  await button(page, '/rotate')
  await go(`${made}/secrets`, 'secrets, ending')
  await token(made.split('/').pop(), secret)
  await go(made, 'application with a token')
  for (const what of ['disable', 'delete', 'revoke-tokens']) await go(`${made}/${what}`)
  const late = await tab(page)
  await to(late, `${made}/edit`)
  await go(`${made}/edit`)
  await send(page)
  await fill(late, { name: `Page, ${language}` })
  await send(late)
  await to(late, `${made}/edit`)
  await to(page, `${made}/edit`)
  await fill(late, { name: `Page ${language} late` })
  await send(late)
  await fill(page, { name: `Page ${language} later` })
  await send(page)
  await see('edit, stale')
  await late.close()
  await to(page, `${made}/disable`)
  await button(page, '/disable')
  await see('application, disabled')
  await to(page, `${made}/delete`)
  await button(page, '/delete')
  await see('applications, deleted')
  await go(`${own}`, 'application')
  for (const slug of ['curl', 'rust']) await go(`${own}/quick-start?language=${slug}`)

  await go('/api-keys')
  await go(`${own}/keys`)
  await fill(page, { name: '' })
  await unchecked(page)
  await send(page)
  await see('keys, wrong')
  await fill(page, { name: `Page ${language}` })
  await page.locator('details.more').evaluate((limits) => { limits.open = true })
  await fill(page, { allowed_ips: 'nonsense' })
  await send(page)
  await see('keys, wrong address')
  await fill(page, { allowed_ips: '203.0.113.0/24\n2001:db8:0123:4567::/64', expires_in: '90d', scope: 'orders:read' })
  await send(page)
  await see('key made')
  await go(`${own}/keys`, 'keys')
  await leads(page, () => page.locator('a[href$="/rotate"]').last().click())
  await see('rotate')
  await send(page)
  await see('key rotated')
  await go(`${own}/keys`, 'keys, ending')
  await leads(page, () => page.locator('a[href$="/revoke"]').first().click())
  await see('revoke')
  await go('/audit')
  await go('/audit?target=nothing', 'audit, nothing')
  await go('/people', 'not allowed')
  await to(page, `${own}/enable`)
  await see('wrong method')

  await to(page, `${own}/keys`)
  await fill(page, { name: `Page ${language} kept` })
  const other = await tab(page)
  await to(other, '/profile')
  await button(other, '/sign-out')
  await look(other, language, 'signed out')
  await send(page)
  await see('sign-in for a form')
  await fill(page, { email: developer, password: PASSWORD })
  await send(page)
  await see('form kept')
  await leave(page)
}

async function administering(language) {
  const page = await someone(language, administrator)
  const see = (name) => look(page, language, name)
  const go = async (path, name = path) => { await to(page, path); await see(name) }
  await go('/people')
  await fill(page, { email: 'nonsense' })
  await unchecked(page)
  await button(page, '/people')
  await see('people, wrong')
  await to(page, '/people')
  await leads(page, () => page.getByRole('link', { name: viewer }).click())
  await see('person')
  await to(page, '/people')
  await leads(page, () => page.locator('table').getByRole('link', { name: administrator }).click())
  await see('own person')
  await go('/registration-tokens')
  await fill(page, { uses: '0' })
  await unchecked(page)
  await button(page, '/registration-tokens')
  await see('registration tokens, wrong')
  await to(page, '/registration-tokens')
  await button(page, '/registration-tokens')
  await see('registration token made')
  await go('/registration-tokens', 'registration tokens')
  await leads(page, () => page.locator('a[href$="/delete"]').first().click())
  await see('delete a registration token')
  await leave(page)
}

async function operating(language) {
  const page = await someone(language, operator)
  const see = (name) => look(page, language, name)
  const go = async (path, name = path) => { await to(page, path); await see(name) }
  await go('/overview')
  await page.locator('details').first().evaluate((numbers) => { numbers.open = true })
  await see('overview, numbers')
  await go('/accounts')
  await fill(page, { name: 'Acme Logistics' })
  await button(page, '/accounts')
  await see('accounts, taken')
  await go('/resource-servers')
  await fill(page, { identifier: 'nonsense', name: `Page ${language} API` })
  await unchecked(page)
  await button(page, '/resource-servers')
  await see('resource servers, wrong')
  await fill(page, { identifier: `https://${language}.example/` })
  await button(page, '/resource-servers')
  await see('resource server made')
  await go(`/resource-servers/delete?identifier=${encodeURIComponent(input.resource.identifier)}`)
  await send(page)
  await see('resource server in use')
  await go('/registration-tokens')
  await go('/signing-keys')
  await leads(page, () => page.locator('a[href$="/retire"]').first().click())
  await see('retire')
  await to(page, '/signing-keys')
  await button(page, '/rotate')
  await see('signing keys, two')
  await go('/people')
  await go('/applications')
  await go('/applications/new', 'application by an operator')
  await go(`${own}/edit`, 'edit by an operator')
  await go('/audit')
  await go('/profile')
  await leads(page, () => page.getByRole('button', { name: language === 'fr' ? 'English' : 'Français' }).click())
  assert.equal(await page.locator('html').getAttribute('lang'), language === 'fr' ? 'en' : 'fr')
  assert.ok(page.url().endsWith('/portal/profile'))
  await leave(page)
}

/** An account that has nothing yet. */
async function beginning(language) {
  const page = await someone(language, operator)
  const name = `Page ${language} begins`
  await to(page, '/accounts')
  await fill(page, { name })
  await button(page, '/accounts')
  await look(page, language, 'accounts, made')
  await to(page, '/people')
  await fill(page, { email: `begins-${language}@example.org`, account: { label: name }, role: 'administrator' })
  await button(page, '/people')
  const link = await given(page, 'link')
  await leave(page)
  const guest = await someone(language)
  await guest.goto(link)
  await fill(guest, { password: PASSWORD })
  await send(guest)
  await fill(guest, { email: `begins-${language}@example.org`, password: PASSWORD })
  await send(guest)
  for (const path of ['/overview', '/applications', '/applications/new', '/api-keys', '/registration-tokens', '/audit', '/people']) {
    await to(guest, path)
    await look(guest, language, `${path}, empty`)
  }
  await button(guest, '/people/second-factor')
  await look(guest, language, 'enrolment that is required')
  await leave(guest)
}

async function preparing() {
  for (let round = 0; round < 20; round += 1) await token(input.import.client_id, input.import.client_secret)
  await token(input.import.client_id, 'not the secret')
  // An application without API key's room for another.
  const page = await someone('en', developer)
  for (let number = 2; number <= 10; number += 1) {
    await to(page, `${full}/keys`)
    await fill(page, { name: `Depot ${number}` })
    await button(page, '/keys')
  }
  await leave(page)
  for (const language of languages) {
    const page = await someone(language, developer)
    await to(page, `${full}/keys`)
    await look(page, language, 'keys, full')
    await leave(page)
  }
}

const languages = input.thorough ? ['en', 'fr'] : ['en']

const both = (part) => Object.defineProperty(async () => {
  for (const language of languages) await part(language)
}, 'name', { value: part.name })

async function withoutAMouse() {
  const page = await visitor()
  await to(page, '/sign-in')
  await page.keyboard.press('Tab')
  assert.equal(await page.evaluate(() => document.activeElement.className), 'skip')
  assert.ok((await page.locator('.skip').boundingBox()).y >= 0, 'the link that skips is seen')
  await page.keyboard.press('Enter')
  await eventually('the content', () => page.evaluate(() => document.activeElement.id === 'main'))
  await tabTo(page, page.getByLabel('E-mail address'))
  await page.keyboard.type(developer)
  await page.keyboard.press('Tab')
  await page.keyboard.type(PASSWORD)
  await leads(page, () => page.keyboard.press('Enter'))
  await titled(page, 'Applications')
  await tabTo(page, control(page, 'API keys', 'nav'))
  await leads(page, () => page.keyboard.press('Enter'))
  await tabTo(page, control(page, 'Order import'))
  await leads(page, () => page.keyboard.press('Enter'))
  await titled(page, 'API keys of Order import')
  await tabTo(page, page.locator('#name'))
  await page.keyboard.type('By the keyboard')
  await tabTo(page, page.locator('summary'))
  await page.keyboard.press('Enter')
  await tabTo(page, page.locator('#expires_in'))
  await page.keyboard.press('ArrowDown')
  await tabTo(page, page.locator('[name=scope]'))
  await page.keyboard.press('Space')
  await tabTo(page, control(page, 'Make the key'))
  await leads(page, () => page.keyboard.press('Space'))
  await titled(page, 'The key is made')
  const key = await given(page, 'key')
  assert.equal(await verify(key), 200)
  await page.context().grantPermissions(['clipboard-read', 'clipboard-write'])
  await tabTo(page, control(page, 'Copy By the keyboard'))
  await page.keyboard.press('Enter')
  assert.equal(await page.evaluate(() => navigator.clipboard.readText()), key)
  await tabTo(page, control(page, 'To the keys'))
  await leads(page, () => page.keyboard.press('Enter'))
  assert.match(await row(page, 'By the keyboard').innerText(), /orders:read[^]*in (29|30) days/)
  await leave(page)
}

async function withoutAScript() {
  const page = await visitor({ javaScriptEnabled: false })
  await to(page, '/sign-in')
  await page.locator('#email').fill(developer)
  await page.locator('#password').fill(PASSWORD)
  await press(page, 'Sign in')
  await press(page, 'API keys', 'nav')
  await press(page, 'Order import')
  await page.locator('#name').fill('By hand')
  await page.locator('summary').click()
  await page.locator('#expires_in').selectOption('365d')
  await press(page, 'Make the key')
  assert.equal(await title(page), 'The key is made')
  assert.equal(await verify(await page.locator('#key').textContent()), 200)
  // What needs a script is not there without one.
  assert.equal(await page.locator('[data-copy]:visible').count(), 0)
  await press(page, 'To the keys')
  assert.equal(await row(page, 'By hand').count(), 1)
  await page.locator('header').getByRole('button', { name: 'Français' }).click()
  await page.locator('html[lang=fr]').waitFor()
  await leads(page, () => page.locator('form[action$="/sign-out"] button').click())
  assert.ok(page.url().includes('/sign-in'))
  await leave(page)
}

async function pictures() {
  const phone = await visitor({ locale: 'fr-FR', viewport: PHONE, colorScheme: 'dark', deviceScaleFactor: 2 })
  await to(phone, '/sign-in')
  await fill(phone, { email: developer, password: PASSWORD })
  await send(phone)
  await to(phone, `${own}/keys`)
  await shot(phone, 'phone-fr-dark')
  await leave(phone)
}

async function allOfThem() {
  const missed = languages.flatMap((language) => input.pages.filter((path) => !looked.has(`${language} ${path}`)).map((path) => `${language} ${path}`))
  assert.deepEqual(missed, [], 'pages that nobody looked at')
  assert.equal(findings.length, 0, `\n${findings.join('\n')}`)
}

export default [
  withoutAMouse, withoutAScript, preparing, ...[beginning, gettingIn, developing, administering, operating].map(both), pictures, allOfThem,
]
