// Checks for every page, in every language, colour scheme and width.
import {
  DESK, PHONE, axe, input, overflow,
} from './browser.mjs'

const ENGLISH = /(?<![\p{L}_])(the|and|your|you|of|with|from|this|that|which|its|are|is|for|not|have|been|made|ended|ends|never|none|nothing|revoke|rotate|delete|sign|password|name|role|account|keys?|servers?|people|last|new|show|just|now|ago|always|wrong|must|cannot|need|back|start|copy|when|who|what|why)(?![\p{L}_])/iu
// Texts that users entered, and names that are the same in all languages.
const GIVEN = /Order import|Parcel tracking|Orders API|Acme Logistics|Resource servers|By the keyboard|By hand|[\w.+-]+@[\w.-]+|Mozilla\/5\.0[^\n]*|arn:[\w:/]+|Page [\w, ]+/g

/** The words that users read or hear, without code and without their own input. */
const words = (page) => page.evaluate(() => {
  const copy = document.body.cloneNode(true)
  // Ids are code; so are the names of the buttons that copy them.
  for (const own of copy.querySelectorAll('[data-copy-text] span')) own.remove()
  const hear = [...copy.querySelectorAll('*:not(code)')].flatMap((own) => ['aria-label', 'title', 'alt', 'placeholder', 'data-label', 'data-copied', 'data-pause', 'data-resume'].map((name) => own.getAttribute(name)).filter(Boolean))
  for (const own of copy.querySelectorAll('code, pre, script, style, input, textarea, option, [lang]')) own.remove()
  for (const own of copy.querySelectorAll('*')) own.append(' ')
  const options = [...document.querySelectorAll('option, button, input[type=submit]')].filter((own) => !own.lang && !own.dataset.copyText).map((own) => own.textContent)
  return [document.title, copy.textContent, ...hear, ...options].join('\n')
})

// What depends on the colour scheme or the width. The other rules see the same document.
const LOOKS = ['color-contrast', 'target-size', 'scrollable-region-focusable']

/**
 * The problems of a page in its present state. The checks of axe do not depend on the language, since a Rust test
 * ensures that both have the same messages. The first state of each page is checked in both colour schemes and at both
 * widths; its other states, such as a form with errors, in one of them.
 */
export async function inspect(page, language, first) {
  const wrong = []
  const lang = await page.locator('html').getAttribute('lang')
  if (lang !== language) wrong.push(`lang is ${lang}`)
  const read = await words(page)
  const raw = new Set(input.messages.filter((name) => name.includes('-') && name !== 'sign-in'))
  for (const word of read.split(/[\s“”«»().,:]+/)) if (raw.has(word)) wrong.push(`the name of a message: ${word}`)
  if (/\{\s*\$?\w/.test(read)) wrong.push(`an unfilled place: ${read.match(/.{20}\{.{20}/)?.[0]}`)
  if (language === 'fr') {
    for (const line of read.replace(GIVEN, ' ').split('\n')) {
      const found = ENGLISH.exec(line)
      if (found) wrong.push(`English “${found[0]}” in: ${line.trim().slice(0, 200)}`)
    }
  }
  if ((await page.locator('h1').count()) !== 1) wrong.push('not one h1')
  const pairs = language === 'fr' ? [[PHONE, 'dark'], [DESK, 'light']] : [[PHONE, 'light'], [DESK, 'dark']]
  // The current width comes first, because each change renders the page again.
  if (page.viewportSize().width === DESK.width) pairs.reverse()
  for (const [size, colorScheme] of first ? pairs : pairs.slice(0, 1)) {
    await Promise.all([page.setViewportSize(size), page.emulateMedia({ colorScheme })])
    const found = language === 'en' ? await axe(page, size === pairs[0][0] ? undefined : LOOKS) : []
    for (const one of [...found, ...await overflow(page)]) wrong.push(`${size.width} ${colorScheme}: ${one}`)
  }
  return wrong
}

/** Asserts that the Tab key reaches all controls in the order of the page, with a visible focus. */
export async function keyboard(page) {
  const count = await page.evaluate(() => {
    const wanted = 'a[href], button, input:not([type=hidden]), select, textarea, summary, [tabindex="0"]'
    globalThis.reachable = [...document.querySelectorAll(wanted)].filter((own) => own.checkVisibility() && !own.disabled)
    globalThis.reached = []
    document.activeElement?.blur()
    document.addEventListener('focusin', ({ target }) => {
      const { outlineStyle, outlineWidth } = getComputedStyle(target)
      globalThis.reached.push([target, outlineStyle !== 'none' && parseFloat(outlineWidth) >= 2])
    })
    // Each part of a date and a time is a stop of its own.
    const dates = globalThis.reachable.filter((own) => own.type?.startsWith('date'))
    return globalThis.reachable.length + 7 * dates.length
  })
  for (let presses = 0; presses < count + 3; presses += 1) await page.keyboard.press('Tab')
  return page.evaluate(() => {
    const show = (own) => own.outerHTML.slice(0, 140)
    const { reachable, reached } = globalThis
    const known = new Set(reached.map(([own]) => own))
    const places = reached.map(([own]) => reachable.indexOf(own)).filter((place) => place >= 0)
    const back = places.filter((place, index) => index > 0 && place < places[index - 1]).length
    return [
      ...reachable.filter((own) => !known.has(own)).map((own) => `the Tab key does not reach ${show(own)}`),
      ...(back > 1 ? ['the Tab key jumps back'] : []),
      ...reached.filter(([, seen]) => !seen).map(([own]) => `the focus is not seen on ${show(own)}`),
    ]
  })
}
