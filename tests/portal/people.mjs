// Sign-in and sign-out, and the users of an account.
import assert from 'node:assert/strict'
import {
  PASSWORD, code, control, eventually, fill, given, input, lacks, leads, leave, member, notice, press, row, shows,
  signIn, signOut, titled, to, visitor, wrong,
} from './browser.mjs'

const { administrator, developer, viewer, operator } = input.people
const NEW = 'nora@acme.example'
const WORDS = 'a lamp below the green stairs'

async function signingInAndOut() {
  const page = await visitor()
  await page.goto('/')
  await titled(page, 'Sign in')
  const answer = await signIn(page, developer, 'not the password')
  assert.equal(answer.status(), 403)
  await wrong(page, null, 'Wrong email address or password.')
  assert.equal(await page.getByLabel('Email address').inputValue(), developer)
  assert.equal(await page.getByLabel('Password').inputValue(), '')
  await page.getByLabel('Password').fill(PASSWORD)
  await leads(page, () => page.keyboard.press('Enter'))
  await titled(page, 'Applications')
  await shows(page, 'Order import', 'Parcel tracking')
  assert.ok((await page.locator('header').innerText()).includes(developer))

  await signOut(page)
  await titled(page, 'Sign in')
  await notice(page, 'You’ve signed out.')
  await page.goBack({ waitUntil: 'load' })
  await titled(page, 'Sign in')
  await lacks(page, 'Order import')
  await leave(page)
}

/** Opens an invitation link; a script posts its secret. */
async function open(page, link) {
  await page.goto(link)
  await eventually('the page of the link', async () =>
    !page.url().includes('#') && await page.locator('#fragment').count() === 0)
}

async function anInvitation() {
  const admin = await member(administrator)
  await admin.context().grantPermissions(['clipboard-read', 'clipboard-write'])
  await press(admin, 'People', 'nav')
  await fill(admin, { email: 'not an address', role: 'developer' })
  // The server validates the address too, not only the browser.
  await admin.locator('main form').first().evaluate((own) => { own.noValidate = true })
  await press(admin, 'Invite a person')
  await wrong(admin, 'email', 'Enter a valid email address.')
  await fill(admin, { email: NEW })
  await press(admin, 'Invite a person')
  await titled(admin, 'Invitation link created')
  await shows(admin, NEW, 'It works once')
  await control(admin, 'Copy Invitation link').click()
  const link = await admin.evaluate(() => navigator.clipboard.readText())
  assert.equal(link, await given(admin, 'link'))
  assert.ok(link.startsWith(`${input.base}/portal/invitation#kwv_`))
  // Submitting the form twice creates one user.
  await leads(admin, () => admin.reload())
  await notice(admin, 'You already submitted this form. Nothing was created twice.')
  await titled(admin, 'People')
  assert.equal(await row(admin, NEW).count(), 1)
  await shows(admin, /Invited, expires/)

  const page = await visitor()
  await open(page, link)
  await titled(page, 'Set your password')
  assert.equal(page.url(), `${input.base}/portal/invitation`, 'the secret is not left in the address')
  assert.equal(await page.getByLabel('Email address').inputValue(), NEW)
  assert.equal(await page.getByLabel('Email address').isEditable(), false)
  await fill(page, { password: 'short' })
  await press(page, 'Set password')
  await wrong(page, 'password', 'A password must have at least 10 characters, five of them different, at most 1,024 bytes, and not be your email address.')
  await fill(page, { password: WORDS })
  await press(page, 'Set password')
  await titled(page, 'Sign in')
  await notice(page, 'Password set. You can now sign in.')
  await signIn(page, NEW, WORDS)
  await titled(page, 'Applications')
  await open(page, link)
  await titled(page, 'This link is no longer valid')
  await to(admin, '/people')
  await shows(admin, /nora@acme\.example\s+Developer\s+Active/)
  await leave(page)
  await leave(admin)
}

async function changingThePassword() {
  const [here, elsewhere] = [await visitor(), await visitor()]
  for (const page of [here, elsewhere]) await signIn(page, NEW, WORDS)
  await to(here, '/profile')
  assert.equal(await here.locator('table tbody tr').count(), 3, 'this one, the other one and the first')
  const again = async (current, now) => {
    await fill(here, { current, new: now })
    await press(here, 'Change password')
  }
  await again('wrong', 'another lamp, higher up')
  await wrong(here, 'current', 'The current password is wrong.')
  await again(WORDS, 'short')
  await wrong(here, 'new', 'A password must have at least 10 characters, five of them different, at most 1,024 bytes, and not be your email address.')
  await again(WORDS, `${WORDS}, two`)
  await notice(here, 'Password changed. All other sessions were signed out.')
  assert.equal(await here.locator('table tbody tr').count(), 1)
  await elsewhere.reload()
  await titled(elsewhere, 'Sign in')
  await signIn(elsewhere, NEW, WORDS)
  await wrong(elsewhere, null, 'Wrong email address or password.')
  await signIn(elsewhere, NEW, `${WORDS}, two`)
  await titled(elsewhere, 'Applications')
  // A session is ended from another one.
  await to(here, '/profile')
  await press(here, 'Sign out')
  await notice(here, 'Session signed out.')
  await elsewhere.reload()
  await titled(elsewhere, 'Sign in')
  await leave(here)
  await leave(elsewhere)
}

/** Waits until the TOTP step is not about to end. */
const steady = () => eventually('a half minute', () => Date.now() % 30_000 < 26_000)

async function enrol(page, password = PASSWORD) {
  const secret = await given(page, 'secret')
  await steady()
  await fill(page, { password: 'not the password', code: code(secret) })
  await press(page, 'Confirm')
  await wrong(page, 'password', 'The current password is wrong.')
  await fill(page, { password, code: '000000' })
  await press(page, 'Confirm')
  await wrong(page, 'code', 'The code is wrong or was already used.')
  assert.equal(await given(page, 'secret'), secret, 'the secret that the phone has by now')
  await steady()
  await fill(page, { password, code: code(secret, -1) })
  await press(page, 'Confirm')
  await titled(page, 'Recovery codes')
  const codes = (await given(page, 'codes')).split('\n')
  assert.equal(codes.length, 10)
  return { secret, codes }
}

async function theSecondFactor() {
  const page = await visitor()
  await signIn(page, NEW, `${WORDS}, two`)
  await to(page, '/profile')
  await press(page, 'Set up two-step verification')
  const own = `${WORDS}, two`
  const { secret, codes } = await enrol(page, own)
  await press(page, 'I’ve saved them')
  await titled(page, 'Applications')

  const begin = async () => {
    await signOut(page)
    await signIn(page, NEW, `${WORDS}, two`)
    await titled(page, 'Two-step verification')
  }
  const prove = async (proof) => {
    await fill(page, { code: proof })
    await press(page, 'Continue')
  }
  await begin()
  await to(page, '/applications')
  await titled(page, 'Two-step verification')
  await prove('123 456')
  await wrong(page, 'code', 'The code is wrong or was already used.')
  await steady()
  const used = code(secret)
  await prove(used)
  await titled(page, 'Applications')
  await begin()
  await prove(used)
  await wrong(page, 'code', 'The code is wrong or was already used.')
  await prove(codes[3])
  await titled(page, 'Applications')
  await begin()
  await prove(codes[3])
  await wrong(page, 'code', 'The code is wrong or was already used.')
  await prove(codes[4].toUpperCase())
  await titled(page, 'Applications')
  await to(page, '/profile')
  await shows(page, 'You have 8 recovery codes left.')

  await fill(page, { password: own, code: codes[5] })
  await press(page, 'Create new recovery codes')
  await titled(page, 'Recovery codes')
  const renewed = (await given(page, 'codes')).split('\n')
  await to(page, '/profile')
  await shows(page, 'You have 10 recovery codes left.')
  await fill(page, { password: own, code: codes[6] })
  await press(page, 'Turn off two-step verification')
  await wrong(page, 'code', 'The code is wrong or was already used.')
  await fill(page, { password: own, code: renewed[0] })
  await press(page, 'Turn off two-step verification')
  await notice(page, 'Two-step verification is off.')
  await leave(page)
}

async function anAccountThatRequiresIt() {
  const admin = await member(administrator)
  const page = await member(developer)
  await to(admin, '/people')
  await shows(admin, 'Two-step verification is optional in this account.')
  await press(admin, 'Require')
  await titled(admin, 'Set up two-step verification')
  await shows(admin, 'Your account requires two-step verification. Set it up to continue.')
  await press(admin, 'Keyward', 'header')
  await titled(admin, 'Set up two-step verification')
  await enrol(admin)
  await press(admin, 'I’ve saved them')
  await to(page, '/applications')
  await titled(page, 'Set up two-step verification')
  await to(admin, '/profile')
  await shows(admin, 'Your account requires two-step verification.')
  assert.equal(await control(admin, 'Turn off two-step verification').count(), 0)
  await to(admin, '/people')
  await press(admin, 'Make optional')
  await notice(admin, 'Changes saved.')
  await to(page, '/applications')
  await titled(page, 'Applications')

  // An operator helps a user who lost the phone.
  const other = await member(operator)
  await to(other, '/people')
  await press(other, administrator)
  await press(other, 'Reset two-step verification')
  await notice(other, 'Two-step verification is off.')
  await signIn(admin, administrator)
  await titled(admin, 'Applications')
  for (const own of [admin, page, other]) await leave(own)
}

async function roles() {
  const [admin, page] = [await member(administrator), await member(viewer)]
  const menu = async () => (await page.locator('nav.menu a').allInnerTexts()).map((name) => name.trim())
  assert.deepEqual(await menu(), ['Applications', 'Your account'])
  await press(page, 'Order import')
  await titled(page, 'Order import')
  for (const name of ['API keys', 'Client secrets', 'Edit', 'Disable', 'Delete', 'Revoke all tokens']) {
    assert.equal(await control(page, name).count(), 0, name)
  }
  await lacks(page, 'Recent failures', 'Active tokens')
  for (const path of ['/activity', '/keys', '/secrets', '/edit', '/disable', '/delete', '/revoke-tokens']) {
    const answer = await to(page, `/applications/${input.import.client_id}${path}`)
    assert.equal(answer.status(), 403, path)
    await titled(page, 'Access denied')
    await shows(page, 'Your role doesn’t allow this. Ask an administrator of your account.')
  }
  for (const path of ['/people', '/audit', '/overview', '/accounts', '/resource-servers', '/signing-keys', '/api-keys', '/applications/new']) {
    assert.equal((await to(page, path)).status(), 403, path)
  }

  await to(admin, '/people')
  await press(admin, viewer)
  assert.equal(await admin.locator('#role').inputValue(), 'viewer')
  assert.ok(!(await admin.locator('#role').innerText()).includes('Operator'))
  await fill(admin, { role: 'developer' })
  await press(admin, 'Save')
  await notice(admin, 'Changes saved.')
  await to(page, '/applications')
  assert.deepEqual(await menu(), ['Overview', 'Applications', 'API keys', 'Your account', 'Audit log'])
  await to(page, `/applications/${input.import.client_id}/keys`)
  await titled(page, 'API keys of Order import')

  await press(admin, 'Remove')
  await titled(admin, `Remove ${viewer}`)
  await shows(admin, `${viewer} can no longer sign in`)
  await press(admin, 'Remove')
  await notice(admin, 'Person deleted.')
  await lacks(admin, viewer)
  await page.reload()
  await titled(page, 'Sign in')
  await signIn(page, viewer)
  await wrong(page, null, 'Wrong email address or password.')

  // Users cannot remove themselves in any way.
  await press(admin, administrator)
  await shows(admin, 'This is you')
  assert.equal(await control(admin, 'Remove').count(), 0)
  await leads(admin, () => admin.goto(`${admin.url().split('?')[0]}/remove`))
  await press(admin, 'Remove')
  await wrong(admin, null, 'You can’t do this to yourself. Ask another administrator.')
  await to(admin, '/people')
  await shows(admin, administrator)
  for (const own of [admin, page]) await leave(own)
}

export default [signingInAndOut, anInvitation, changingThePassword, theSecondFactor, anAccountThatRequiresIt, roles]
