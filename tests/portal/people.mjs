// Getting in and out, and the people of an account.
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
  await wrong(page, null, 'The e-mail address or the password is wrong.')
  assert.equal(await page.getByLabel('E-mail address').inputValue(), developer)
  assert.equal(await page.getByLabel('Password').inputValue(), '')
  await page.getByLabel('Password').fill(PASSWORD)
  await leads(page, () => page.keyboard.press('Enter'))
  await titled(page, 'Applications')
  await shows(page, 'Order import', 'Parcel tracking')
  assert.ok((await page.locator('header').innerText()).includes(developer))

  await signOut(page)
  await titled(page, 'Sign in')
  await notice(page, 'You have signed out.')
  await page.goBack({ waitUntil: 'load' })
  await titled(page, 'Sign in')
  await lacks(page, 'Order import')
  await leave(page)
}

/** Follows an invitation link, whose secret a script posts. */
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
  // The browser's own check is not all there is.
  await admin.locator('main form').first().evaluate((own) => { own.noValidate = true })
  await press(admin, 'Invite somebody')
  await wrong(admin, 'email', 'That is no e-mail address.')
  await fill(admin, { email: NEW })
  await press(admin, 'Invite somebody')
  await titled(admin, 'The link is made')
  await shows(admin, NEW, 'It works once')
  await control(admin, 'Copy Link').click()
  const link = await admin.evaluate(() => navigator.clipboard.readText())
  assert.equal(link, await given(admin, 'link'))
  assert.ok(link.startsWith(`${input.base}/portal/invitation#kwv_`))
  // The form sent twice makes nobody twice.
  await leads(admin, () => admin.reload())
  await notice(admin, 'That form was sent twice: it was done the first time.')
  await titled(admin, 'People')
  assert.equal(await row(admin, NEW).count(), 1)
  await shows(admin, /invited, ends/)

  const page = await visitor()
  await open(page, link)
  await titled(page, 'Set your password')
  assert.equal(page.url(), `${input.base}/portal/invitation`, 'the secret is not left in the address')
  assert.equal(await page.getByLabel('E-mail address').inputValue(), NEW)
  assert.equal(await page.getByLabel('E-mail address').isEditable(), false)
  await fill(page, { password: 'short' })
  await press(page, 'Set the password')
  await wrong(page, 'password', 'A password has at least 10 characters, five of them different, at most 1,024 bytes, and is not your e-mail address.')
  await fill(page, { password: WORDS })
  await press(page, 'Set the password')
  await titled(page, 'Sign in')
  await notice(page, 'The password is set. Sign in with it.')
  await signIn(page, NEW, WORDS)
  await titled(page, 'Applications')
  await open(page, link)
  await titled(page, 'This link no longer works')
  await to(admin, '/people')
  await shows(admin, /nora@acme\.example\s+Developer\s+active/)
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
    await press(here, 'Change the password')
  }
  await again('wrong', 'another lamp, higher up')
  await wrong(here, 'current', 'That is not your current password.')
  await again(WORDS, 'short')
  await wrong(here, 'new', 'A password has at least 10 characters, five of them different, at most 1,024 bytes, and is not your e-mail address.')
  await again(WORDS, `${WORDS}, two`)
  await notice(here, 'The password is changed. All other sessions have ended.')
  assert.equal(await here.locator('table tbody tr').count(), 1)
  await elsewhere.reload()
  await titled(elsewhere, 'Sign in')
  await signIn(elsewhere, NEW, WORDS)
  await wrong(elsewhere, null, 'The e-mail address or the password is wrong.')
  await signIn(elsewhere, NEW, `${WORDS}, two`)
  await titled(elsewhere, 'Applications')
  // One session is ended from the other.
  await to(here, '/profile')
  await press(here, 'End')
  await notice(here, 'The session has ended.')
  await elsewhere.reload()
  await titled(elsewhere, 'Sign in')
  await leave(here)
  await leave(elsewhere)
}

/** Not at the end of a half minute: a code is for one. */
const steady = () => eventually('a half minute', () => Date.now() % 30_000 < 26_000)

async function enrol(page, password = PASSWORD) {
  const secret = await given(page, 'secret')
  await steady()
  await fill(page, { password: 'not the password', code: code(secret) })
  await press(page, 'Confirm')
  await wrong(page, 'password', 'That is not your current password.')
  await fill(page, { password, code: '000000' })
  await press(page, 'Confirm')
  await wrong(page, 'code', 'The code is wrong, or was used already.')
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
  await press(page, 'Set up the second factor')
  const own = `${WORDS}, two`
  const { secret, codes } = await enrol(page, own)
  await press(page, 'I have kept them')
  await titled(page, 'Applications')

  const begin = async () => {
    await signOut(page)
    await signIn(page, NEW, `${WORDS}, two`)
    await titled(page, 'Second factor')
  }
  const prove = async (proof) => {
    await fill(page, { code: proof })
    await press(page, 'Continue')
  }
  await begin()
  await to(page, '/applications')
  await titled(page, 'Second factor')
  await prove('123 456')
  await wrong(page, 'code', 'The code is wrong, or was used already.')
  await steady()
  const used = code(secret)
  await prove(used)
  await titled(page, 'Applications')
  await begin()
  await prove(used)
  await wrong(page, 'code', 'The code is wrong, or was used already.')
  await prove(codes[3])
  await titled(page, 'Applications')
  await begin()
  await prove(codes[3])
  await wrong(page, 'code', 'The code is wrong, or was used already.')
  await prove(codes[4].toUpperCase())
  await titled(page, 'Applications')
  await to(page, '/profile')
  await shows(page, '8 recovery codes are left.')

  await fill(page, { password: own, code: codes[5] })
  await press(page, 'Make new recovery codes')
  await titled(page, 'Recovery codes')
  const renewed = (await given(page, 'codes')).split('\n')
  await to(page, '/profile')
  await shows(page, '10 recovery codes are left.')
  await fill(page, { password: own, code: codes[6] })
  await press(page, 'Turn the second factor off')
  await wrong(page, 'code', 'The code is wrong, or was used already.')
  await fill(page, { password: own, code: renewed[0] })
  await press(page, 'Turn the second factor off')
  await notice(page, 'The second factor is off.')
  await leave(page)
}

async function anAccountThatRequiresIt() {
  const admin = await member(administrator)
  const page = await member(developer)
  await to(admin, '/people')
  await shows(admin, 'A second factor is up to each person.')
  await press(admin, 'Require it')
  await titled(admin, 'Set up the second factor')
  await shows(admin, 'Your account requires a second factor. Set it up to go on.')
  await press(admin, 'Keyward', 'header')
  await titled(admin, 'Set up the second factor')
  await enrol(admin)
  await press(admin, 'I have kept them')
  await to(page, '/applications')
  await titled(page, 'Set up the second factor')
  await to(admin, '/profile')
  await shows(admin, 'Your account requires it.')
  assert.equal(await control(admin, 'Turn the second factor off').count(), 0)
  await to(admin, '/people')
  await press(admin, 'Do not require it')
  await notice(admin, 'Saved.')
  await to(page, '/applications')
  await titled(page, 'Applications')

  // Who has lost the phone is helped by the operator.
  const other = await member(operator)
  await to(other, '/people')
  await press(other, administrator)
  await press(other, 'Reset the second factor')
  await notice(other, 'The second factor is off.')
  await signIn(admin, administrator)
  await titled(admin, 'Applications')
  for (const own of [admin, page, other]) await leave(own)
}

async function roles() {
  const [admin, page] = [await member(administrator), await member(viewer)]
  const menu = async () => (await page.locator('nav.menu a').allInnerTexts()).map((name) => name.trim())
  assert.deepEqual(await menu(), ['Applications'])
  await press(page, 'Order import')
  await titled(page, 'Order import')
  for (const name of ['API keys', 'Client secrets', 'Edit', 'Disable', 'Delete', 'Revoke all tokens']) {
    assert.equal(await control(page, name).count(), 0, name)
  }
  await lacks(page, 'Recent failures', 'Live tokens')
  for (const path of ['/keys', '/secrets', '/edit', '/disable', '/delete', '/revoke-tokens']) {
    const answer = await to(page, `/applications/${input.import.client_id}${path}`)
    assert.equal(answer.status(), 403, path)
    await titled(page, 'Not allowed')
    await shows(page, 'Your role does not allow this. Ask an administrator of your account.')
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
  await notice(admin, 'Saved.')
  await to(page, '/applications')
  assert.deepEqual(await menu(), ['Overview', 'Applications', 'API keys', 'Audit'])
  await to(page, `/applications/${input.import.client_id}/keys`)
  await titled(page, 'API keys of Order import')

  await press(admin, 'Remove')
  await titled(admin, `Remove ${viewer}`)
  await shows(admin, `${viewer} can no longer sign in`)
  await press(admin, 'Remove')
  await notice(admin, 'They are removed.')
  await lacks(admin, viewer)
  await page.reload()
  await titled(page, 'Sign in')
  await signIn(page, viewer)
  await wrong(page, null, 'The e-mail address or the password is wrong.')

  // Nobody removes themselves, by whichever way.
  await press(admin, administrator)
  await shows(admin, 'This is you')
  assert.equal(await control(admin, 'Remove').count(), 0)
  await leads(admin, () => admin.goto(`${admin.url().split('?')[0]}/remove`))
  await press(admin, 'Remove')
  await wrong(admin, null, 'This is yourself: let somebody else do it.')
  await to(admin, '/people')
  await shows(admin, administrator)
  for (const own of [admin, page]) await leave(own)
}

export default [signingInAndOut, anInvitation, changingThePassword, theSecondFactor, anAccountThatRequiresIt, roles]
