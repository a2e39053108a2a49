// Helpers of all scripts: a browser that records every problem, and functions for what users do.
import assert from 'node:assert/strict'
import { createHmac } from 'node:crypto'
import { mkdirSync, readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { chromium } from 'playwright-core'

const AXE = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8')
const TAGS = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22a', 'wcag22aa', 'best-practice']
const QUIET = [
  '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
  '--disable-component-update', '--disable-sync', '--no-proxy-server',
  // Pages live for a second: compiling their scripts to optimized code costs more than it saves, and so does a
  // process of its own for what is drawn.
  '--js-flags=--no-turbofan --no-maglev', '--in-process-gpu',
]
export const DESK = { width: 1280, height: 800 }
export const PHONE = { width: 360, height: 740 }

export const input = JSON.parse(process.env.JOURNEY)
export const PASSWORD = input.password

let browser
// Problems that no page may have. They are checked at the end of each script.
const problems = []

export async function launch() {
  browser = await chromium.launch({ executablePath: process.env.TEST_CHROMIUM, args: QUIET })
}

export async function close() {
  await browser.close()
  assert.deepEqual(problems, [], 'problems of pages')
}

/** A separate browser context, with its own cookies. */
export async function visitor(options = {}) {
  const context = await browser.newContext({ viewport: DESK, locale: 'en-GB', baseURL: input.base, reducedMotion: 'reduce', ...options })
  context.setDefaultTimeout(15_000)
  context.on('page', watch)
  return context.newPage()
}

/** Another tab of the same browser. */
export const tab = (page) => page.context().newPage()

export const leave = (page) => page.context().close()

function watch(page) {
  const at = () => new URL(page.url(), input.base).pathname
  page.on('pageerror', (error) => problems.push(`${at()}: ${error.stack}`))
  page.on('console', (message) => {
    // Some pages are answered with 4xx on purpose; the resources of pages are checked below.
    if (message.type() === 'error' && !message.text().startsWith('Failed to load resource: the server responded')) {
      problems.push(`${at()}: console: ${message.text()}`)
    }
  })
  page.on('request', (request) => {
    if (!request.url().startsWith(`${input.base}/`)) problems.push(`${at()}: requests ${request.url()}`)
  })
  page.on('response', (response) => {
    if (response.status() >= 400 && response.request().resourceType() !== 'document') {
      problems.push(`${at()}: ${response.status()} for ${response.url()}`)
    }
  })
  page.on('dialog', (dialog) => { problems.push(`${at()}: a dialog`); dialog.dismiss() })
}

/** Performs an action that leads to another page, and waits for it. Returns its response. */
export async function leads(page, act) {
  const answered = page.waitForEvent('response', (response) =>
    response.request().isNavigationRequest() && (response.status() < 300 || response.status() >= 400))
  const loaded = page.waitForEvent('load')
  const [answer] = await Promise.all([answered, loaded, act()])
  return answer
}

export const to = async (page, path) => page.goto(`/portal${path}`)

/** A button or a link by its name, by default within the content. */
export const control = (page, name, within = 'main') =>
  page.locator(within).getByRole('button', { name, exact: true }).or(page.locator(within).getByRole('link', { name, exact: true }))

export const press = (page, name, within) => leads(page, () => control(page, name, within).first().click())

export const title = async (page) => (await page.locator('h1').textContent()).trim()

export async function titled(page, wanted) {
  assert.equal(await title(page), wanted, `the heading at ${page.url()}: ${await page.locator('main').innerText()}`)
  // The tabs of an application share its heading; the name of the tab comes before it.
  assert.ok((await page.title()).endsWith(`${wanted} · Keyward`), await page.title())
}

export const content = (page) => page.locator('main').innerText()

export async function shows(page, ...wanted) {
  const text = await content(page)
  for (const words of wanted) assert.ok(typeof words === 'string' ? text.includes(words) : words.test(text), `${page.url()} lacks ${words}:\n${text}`)
}

export async function lacks(page, ...unwanted) {
  const text = await content(page)
  for (const words of unwanted) assert.ok(!text.includes(words), `${page.url()} has ${words}:\n${text}`)
}

export async function notice(page, wanted) {
  const found = page.locator('.notice')
  assert.equal(await found.count(), 1, `no notice at ${page.url()}:\n${await content(page)}`)
  assert.equal((await found.innerText()).trim(), wanted)
}

/** Asserts that a form shows its error above and beside the field, and that the field has the focus. */
export async function wrong(page, field, words) {
  const alert = page.getByRole('alert')
  assert.ok((await alert.innerText()).includes(words), await alert.innerText())
  if (!field) return
  assert.equal((await page.locator(`#${field}-error`).innerText()).trim(), words)
  assert.equal(await page.locator(`#${field}`).getAttribute('aria-invalid'), 'true')
  assert.ok((await page.locator(`#${field}`).getAttribute('aria-describedby')).split(' ').includes(`${field}-error`))
  assert.equal(await page.evaluate(() => document.activeElement.id), field, 'the focus')
}

export async function fill(page, values) {
  for (const [name, value] of Object.entries(values)) {
    const field = page.locator(`main [name="${name}"]:not([type=hidden])`)
    const kind = await field.first().evaluate((own) => own.type)
    if (kind === 'checkbox') {
      for (const own of await field.all()) await own.setChecked([value].flat().includes(await own.inputValue()))
    } else if (kind === 'select-one') {
      await field.selectOption(value)
    } else {
      await field.fill(value)
    }
  }
}

export async function signIn(page, email, password = PASSWORD) {
  await page.goto('/portal/sign-in')
  await fill(page, { email, password })
  return press(page, 'Sign in')
}

/** A signed-in user in a separate browser context. */
export async function member(email, options) {
  const page = await visitor(options)
  await signIn(page, email)
  assert.ok(!page.url().includes('/sign-in'), await content(page))
  return page
}

export const signOut = (page) => press(page, 'Sign out', 'header')

/** A text that a page shows for copying. */
export const given = (page, id) => page.locator(`#${id}`).textContent()

/** The row of a table that has this text. */
export const row = (page, text) => page.locator('tbody tr').filter({ hasText: text })

/** Reloads until the condition holds: counters and failures are written every five seconds. */
export async function eventually(what, look, patience = 30_000) {
  const began = Date.now()
  for (;;) {
    const found = await look()
    if (found) return found
    const waited = Date.now() - began
    assert.ok(waited < patience, `${what} did not come`)
    // The interval grows, since each look may render a page.
    await new Promise((done) => setTimeout(done, Math.min(Math.max(waited / 4, 100), 1000)))
  }
}

export const reloadedUntil = (page, words) => eventually(`${words} at ${page.url()}`, async () => {
  await page.reload()
  return (await content(page)).includes(words)
})

const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]()

/** Asks the Rust test to perform an action outside the browser. */
export async function done(what) {
  process.stdout.write(`?${what}\n`)
  assert.equal((await lines.next()).value, what)
}

// Requests of programs

export const basic = (id, secret) => `Basic ${Buffer.from(`${id}:${secret}`).toString('base64')}`

export async function form(path, authorization, fields) {
  const answer = await fetch(input.base + path, {
    method: 'POST', headers: { ...(authorization && { authorization }) }, body: new URLSearchParams(fields),
  })
  return { status: answer.status, ...(await answer.json().catch(() => ({}))) }
}

export const token = (id, secret, fields) => form('/oauth/token', basic(id, secret), { grant_type: 'client_credentials', ...fields })

/** Registers a client (RFC 7591). Returns its metadata, or the error. */
export async function register(bearer, metadata) {
  const answer = await fetch(`${input.base}/oauth/register`, {
    method: 'POST', headers: { authorization: `Bearer ${bearer}`, 'content-type': 'application/json' }, body: JSON.stringify(metadata),
  })
  return answer.json()
}

/** Whether an API key is accepted: 200, otherwise 401. */
export const verify = async (key) => (await fetch(`${input.base}/verify`, { headers: { authorization: basic(key, '') } })).status

/** A TOTP code (RFC 6238), `steps` of 30 seconds from now. */
export function code(secret, steps = 0) {
  const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567'
  const bits = [...secret].map((sign) => alphabet.indexOf(sign).toString(2).padStart(5, '0')).join('')
  const key = Buffer.from(bits.match(/.{8}/g).map((byte) => parseInt(byte, 2)))
  const counter = Buffer.alloc(8)
  counter.writeBigUInt64BE(BigInt(Math.floor(Date.now() / 30_000) + steps))
  const digest = createHmac('sha1', key).update(counter).digest()
  const number = digest.readUInt32BE(digest[19] & 15) & 0x7fffffff
  return String(number % 1_000_000).padStart(6, '0')
}

// Checks for every page

/** The violations that axe-core finds: of all rules, or of these. */
export async function axe(page, rules) {
  if (!(await page.evaluate(() => 'axe' in globalThis))) await page.evaluate(AXE)
  const only = rules ? { type: 'rule', values: rules } : { type: 'tag', values: TAGS }
  const violations = await page.evaluate((runOnly) => globalThis.axe.run(document, {
    runOnly, resultTypes: ['violations'],
  }).then((found) => found.violations.map((own) => ({
    rule: own.id, nodes: own.nodes.slice(0, 3).map((node) => `${node.html.slice(0, 160)} — ${node.failureSummary.split('\n').slice(1, 3).join(' ').slice(0, 300)}`),
  }))), only)
  return violations.map((own) => `${own.rule}: ${own.nodes.join(' | ')}`)
}

/** The elements that overflow the right edge. */
export const overflow = (page) => page.evaluate(() => {
  const wide = document.documentElement.scrollWidth - innerWidth
  if (wide <= 0) return []
  const over = [...document.querySelectorAll('body *')].filter((own) => own.getBoundingClientRect().right > innerWidth + 0.5)
  return [`overflows by ${wide} px: ${over.slice(0, 3).map((own) => own.outerHTML.slice(0, 120)).join(' | ')}`]
})

export async function shot(page, name, options = {}) {
  mkdirSync(input.screenshots, { recursive: true })
  await page.screenshot({ path: join(input.screenshots, `${name}.png`), ...options })
}

// The keyboard

export const focused = (page) => page.evaluate(() => {
  const own = document.activeElement
  return own === document.body ? null : own.id || own.name || own.textContent.trim()
})

/** Presses the Tab key until this element has the focus. */
export async function tabTo(page, locator) {
  for (let presses = 0; presses < 150; presses += 1) {
    await page.keyboard.press('Tab')
    if (await locator.first().evaluate((own) => own === document.activeElement)) return
  }
  assert.fail(`the Tab key does not reach ${locator}`)
}
