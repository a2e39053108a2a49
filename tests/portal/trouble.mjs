// Error conditions: no session, the wrong role, another tab, another user, no database.
import assert from 'node:assert/strict'
import {
  PASSWORD, done, eventually, fill, given, input, leave, member, notice, press, row, shows, signIn, signOut, tab,
  titled, to, token, verify, visitor,
} from './browser.mjs'

const { administrator, developer, viewer } = input.people
const own = input.import.client_id
const KEYS = `/applications/${own}/keys`

async function aLinkWhileSignedOut() {
  const page = await visitor()
  await to(page, `${KEYS}?from=mail`)
  await titled(page, 'Sign in')
  await fill(page, { email: developer, password: 'wrong' })
  await press(page, 'Sign in')
  await fill(page, { password: PASSWORD })
  await press(page, 'Sign in')
  await titled(page, 'API keys of Order import')
  assert.ok(page.url().endsWith(`${KEYS}?from=mail`))
  // No redirect leads to another site.
  for (const away of ['https://elsewhere.example/', '//elsewhere.example', '/portal/../oauth', '/portal//elsewhere.example', '/portal\\elsewhere.example']) {
    await signOut(page)
    await page.goto(`/portal/sign-in?next=${encodeURIComponent(away)}`)
    await fill(page, { email: developer, password: PASSWORD })
    await press(page, 'Sign in')
    assert.ok(page.url().startsWith(`${input.base}/portal/`), page.url())
    await to(page, '/profile')
  }
  await leave(page)
}

async function theWrongRole() {
  const page = await member(viewer)
  assert.equal((await to(page, KEYS)).status(), 403)
  await titled(page, 'Access denied')
  await press(page, 'Go to start page')
  await titled(page, 'Applications')
  assert.equal((await to(page, '/nothing')).status(), 404)
  await titled(page, 'Not found')
  // The URL of a form's response, opened by GET.
  assert.equal((await to(page, `/applications/${own}/enable`)).status(), 405)
  await press(page, 'Go to start page')
  await leave(page)
}

async function aSessionThatEnded() {
  const page = await member(developer)
  const other = await tab(page)
  await to(page, KEYS)
  await fill(page, { name: 'Night shift' })
  await page.locator('details.more').evaluate((limits) => { limits.open = true })
  await fill(page, { allowed_ips: '127.0.0.0/8', scope: 'orders:read' })
  await to(other, '/profile')
  await signOut(other)
  assert.equal((await press(page, 'Create key')).status(), 403)
  await titled(page, 'Sign in')
  await notice(page, 'Your session has expired. Sign in again; we kept what you entered.')
  // A wrong password in between loses no input.
  await fill(page, { email: developer, password: 'wrong' })
  await press(page, 'Sign in')
  await fill(page, { password: PASSWORD })
  await press(page, 'Sign in')
  await titled(page, 'Submit your changes again')
  await shows(page, 'Night shift', '127.0.0.0/8', 'orders:read', 'Nothing was changed yet')
  await to(other, KEYS)
  assert.equal(await row(other, 'Night shift').count(), 0)
  await press(page, 'Submit again')
  await titled(page, 'API key created')
  assert.equal(await verify(await given(page, 'key')), 200)
  await press(page, 'Go to API keys')
  assert.match(await row(page, 'Night shift').innerText(), /orders:read\s+127\.0\.0\.0\/8/)

  // The same for a form with passwords, which are not kept and have to be entered again.
  await to(page, '/profile')
  await fill(page, { current: PASSWORD, new: 'a word that is new' })
  await to(other, '/profile')
  await signOut(other)
  await press(page, 'Change password')
  await titled(page, 'Sign in')
  assert.ok(!(await page.content()).includes('a word that is new'))
  await fill(page, { email: developer, password: PASSWORD })
  await press(page, 'Sign in')
  await titled(page, 'Submit your changes again')
  assert.ok(!(await page.content()).includes('a word that is new'))
  await fill(page, { current: PASSWORD, new: 'a word that is new' })
  await press(page, 'Submit again')
  await notice(page, 'Password changed. All other sessions were signed out.')
  await to(page, '/profile')
  await fill(page, { current: 'a word that is new', new: 'a word that is new' })
  await press(page, 'Change password')
  await shows(page, 'This is already your password.')
  await fill(page, { current: 'a word that is new', new: PASSWORD })
  await press(page, 'Change password')
  await notice(page, 'Password changed. All other sessions were signed out.')
  await leave(page)
}

async function twoUsersInOneBrowser() {
  const page = await member(developer)
  const other = await tab(page)
  await to(page, `/applications/${own}/disable`)
  await to(other, '/profile')
  await signOut(other)
  await signIn(other, administrator)
  await titled(other, 'Applications')
  // The form belongs to another user's session, so it is not executed in the present one.
  assert.equal((await press(page, 'Disable application')).status(), 403)
  await shows(page, 'This form is from an earlier session, or your browser blocks cookies. Nothing was changed.')
  assert.equal((await token(own, input.import.client_secret)).status, 200)
  assert.ok((await page.locator('header').innerText()).includes(administrator))
  await press(page, 'Submit again')
  await notice(page, 'Application disabled. Its secrets, API keys and tokens no longer work.')
  assert.equal((await token(own, input.import.client_secret)).error, 'invalid_client')
  await press(page, 'Enable')

  // A sign-in form that was left open.
  const late = await tab(page)
  await signOut(page)
  await to(late, '/sign-in')
  await signIn(page, developer)
  await fill(late, { email: administrator, password: PASSWORD })
  await press(late, 'Sign in')
  await fill(late, { password: PASSWORD })
  await press(late, 'Submit again')
  await titled(late, 'Applications')
  assert.ok((await late.locator('header').innerText()).includes(administrator))
  await leave(page)
}

async function withoutCookies() {
  const page = await visitor()
  await to(page, '/sign-in')
  await page.context().clearCookies()
  await fill(page, { email: developer, password: PASSWORD })
  assert.equal((await press(page, 'Sign in')).status(), 403)
  await titled(page, 'Sign in')
  await notice(page, 'This form is from an earlier session, or your browser blocks cookies. Nothing was changed.')
  assert.equal(await page.locator('#email').inputValue(), developer)
  await fill(page, { password: PASSWORD })
  await press(page, 'Sign in')
  await titled(page, 'Applications')
  await leave(page)
}

async function noDatabase() {
  const page = await member(developer)
  await to(page, KEYS)
  await fill(page, { name: 'Through the storm' })
  await done('away')
  const answer = await press(page, 'Create key')
  assert.equal(answer.status(), 503)
  await titled(page, 'Temporarily unavailable')
  await shows(page, 'Nothing was changed.', 'We kept what you entered.', 'Through the storm')
  await done('back')
  await eventually('the database', async () => (await fetch(`${input.base}/readyz`)).ok)
  // A broken connection from before the outage may still be in the pool.
  await eventually('the key', async () => (await press(page, 'Submit again')).status() !== 503)
  await titled(page, 'API key created')
  assert.equal(await verify(await given(page, 'key')), 200)
  await to(page, KEYS)
  assert.equal(await row(page, 'Through the storm').count(), 1)
  await leave(page)
}

export default [aLinkWhileSignedOut, theWrongRole, aSessionThatEnded, twoUsersInOneBrowser, withoutCookies, noDatabase]
