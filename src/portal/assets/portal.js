// Copy buttons, countdowns, previews, refreshing and the search dialog. Pages work without this script.
'use strict'

// One listener for all copy buttons, since a refresh of the page replaces some of them.
const reveal = () => document.querySelectorAll('[data-copy], [data-copy-text]').forEach((button) => { button.hidden = false })
reveal()
document.addEventListener('click', async ({ target }) => {
  const button = target.closest('[data-copy], [data-copy-text]')
  if (!button) return
  const { copy, copyText } = button.dataset
  if (!(await copyToClipboard(copyText ?? document.getElementById(copy).textContent))) return
  const text = copyText ? button.querySelector('span').firstChild : button.firstChild
  const label = text.textContent
  if (label === document.body.dataset.copied) return
  text.textContent = document.body.dataset.copied
  button.dataset.done = ''
  setTimeout(() => { text.textContent = label; delete button.dataset.done }, 2000)
})

// Without TLS browsers have no clipboard API, only the deprecated command.
async function copyToClipboard(text) {
  try {
    await navigator.clipboard.writeText(text)
    return true
  } catch {
    const field = document.createElement('textarea')
    field.value = text
    field.className = 'visually_hidden'
    document.body.append(field)
    field.select()
    const done = document.execCommand('copy')
    field.remove()
    return done
  }
}

const countdowns = document.querySelectorAll('[data-until]')
if (countdowns.length) {
  const update = () => countdowns.forEach((countdown) => {
    const left = Math.max(0, Math.floor((Number(countdown.dataset.until) - Date.now()) / 1000))
    // Beyond two days seconds do not matter.
    if (left > 2 * 86400) return
    const [, hours, minutes, seconds] = countdown.dataset.units.split(' ')
    const [h, m, s] = [Math.floor(left / 3600), Math.floor(left / 60) % 60, left % 60]
    countdown.textContent = `${h ? `${h} ${hours} ` : ''}${h || m ? `${m} ${minutes} ` : ''}${s} ${seconds}`
  })
  update()
  setInterval(update, 1000)
}

const refreshing = document.querySelector('[data-refresh]')
if (refreshing) {
  let paused = false
  const button = document.createElement('button')
  const label = () => { button.textContent = paused ? refreshing.dataset.resume : refreshing.dataset.pause }
  button.className = 'small'
  button.type = 'button'
  label()
  button.addEventListener('click', () => { paused = !paused; label() })
  const text = refreshing.firstChild
  refreshing.append(button)
  setInterval(async () => {
    const content = document.getElementById('refreshed')
    // Not while the user reads or operates it, and not in a background tab.
    if (paused || document.hidden || content.querySelector('details[open]') || content.contains(document.activeElement)) return
    const response = await fetch(location.href, { redirect: 'manual' }).catch(() => null)
    if (response?.type === 'opaqueredirect') return location.reload()
    if (!response?.ok) return
    const page = new DOMParser().parseFromString(await response.text(), 'text/html')
    content.replaceWith(page.getElementById('refreshed'))
    reveal()
    text.textContent = page.querySelector('[data-refresh]').firstChild.textContent
  }, Number(refreshing.dataset.refresh) * 1000)
}

// The preview of a guided form, while the user types.
const guided = document.querySelector('[data-preview] form')
if (guided) {
  let timer
  guided.addEventListener('input', () => {
    clearTimeout(timer)
    timer = setTimeout(async () => {
      const fields = new URLSearchParams(new FormData(guided))
      fields.set('step', 'preview')
      const response = await fetch(guided.action, { method: 'POST', body: fields, redirect: 'manual' }).catch(() => null)
      if (!response?.ok) return
      const page = new DOMParser().parseFromString(await response.text(), 'text/html')
      const fresh = page.getElementById(guided.parentElement.dataset.preview)
      if (fresh) document.getElementById(fresh.id).replaceWith(fresh)
    }, 300)
  })
}

// The secret of an invitation or a password reset is in the fragment, which is in no server log. Remove it from the history too.
const fragment = document.querySelector('#fragment input')
if (fragment && location.hash.length > 1) {
  fragment.value = location.hash.slice(1)
  history.replaceState(null, '', location.pathname)
  fragment.form.submit()
}
// Opening another such link on this page changes only the fragment.
addEventListener('hashchange', () => {
  if (/^#kw[vf]_/.test(location.hash)) location.replace(`${location.pathname}?open${location.hash}`)
})

// Focus the first invalid field.
document.querySelector('[aria-invalid]')?.focus()

// The menus of the header close like menus: with the Escape key, or by a click beside them.
for (const menu of document.querySelectorAll('.drawer, .top > .who > .accounts')) {
  document.addEventListener('keydown', ({ key }) => {
    if (key !== 'Escape' || !menu.open) return
    menu.open = false
    menu.querySelector('summary').focus()
  })
  document.addEventListener('click', ({ target }) => { if (!menu.contains(target)) menu.open = false })
}

// An API key that is pasted into a search is shortened to what lists show of it: its secret must not be in a URL.
for (const field of document.querySelectorAll('form[role=search] input')) {
  field.addEventListener('input', () => {
    const shown = /^\s*kw[a-z]_[^_\s]+(?=_)/.exec(field.value)
    if (shown) field.value = shown[0].trim()
  })
}

// The search opens as a dialog, and shows what the page of the search would show.
const palette = document.querySelector('.palette')
if (palette) {
  const opener = document.querySelector('.find')
  const [form, field, status, results] = ['form', 'input', '[role=status]', '.results'].map((selector) => palette.querySelector(selector))
  const isMac = /Mac|iPhone|iPad/.test(navigator.platform)
  const hint = opener.querySelector('kbd')
  hint.textContent = isMac ? '⌘K' : 'Ctrl K'
  hint.hidden = false
  opener.setAttribute('aria-haspopup', 'dialog')
  opener.setAttribute('aria-keyshortcuts', isMac ? 'Meta+K' : 'Control+K')
  const open = () => {
    if (!palette.open) palette.showModal()
    field.focus()
    field.select()
  }
  document.addEventListener('keydown', (event) => {
    if (event.key.toLowerCase() !== 'k' || event.altKey || event.shiftKey || !(isMac ? event.metaKey : event.ctrlKey)) return
    event.preventDefault()
    open()
  })
  opener.addEventListener('click', (event) => {
    // With one of these keys the browser opens the page in another tab.
    if (event.ctrlKey || event.metaKey || event.shiftKey) return
    event.preventDefault()
    open()
  })
  // A press outside of the dialog. Its padding, where the target is the same, is inside.
  palette.addEventListener('pointerdown', ({ target, clientX, clientY }) => {
    const { left, right, top, bottom } = palette.getBoundingClientRect()
    const inside = clientX >= left && clientX <= right && clientY >= top && clientY <= bottom
    if (target === palette && !inside) palette.close()
  })

  let timer
  let asked
  // The status stays in the page, so that screen readers announce its changes.
  const show = (text, children = []) => {
    const hadFocus = results.contains(document.activeElement)
    status.textContent = text
    results.replaceChildren(...children)
    if (hadFocus) field.focus()
  }
  const ask = async () => {
    asked?.abort()
    asked = new AbortController()
    const { signal } = asked
    const text = field.value
    const fields = new URLSearchParams(new FormData(form))
    const response = await fetch(`${form.action}?${fields}`, { redirect: 'manual', signal }).catch(() => null)
    const body = response?.ok ? await response.text().catch(() => null) : null
    if (signal.aborted) return
    if (body === null) return show(response?.type === 'opaqueredirect' ? palette.dataset.signedOut : palette.dataset.failed)
    const found = new DOMParser().parseFromString(body, 'text/html').getElementById('found')
    const count = found.querySelector('[role=status]')
    count?.remove()
    if (count) show(count.textContent, found.childNodes)
    else show([...found.querySelectorAll('h2, p')].map((own) => own.textContent).join(' '))
    results.dataset.text = text
  }
  field.addEventListener('input', () => {
    clearTimeout(timer)
    timer = setTimeout(ask, 150)
  })
  // The first result opens with Enter, once it belongs to what was typed.
  form.addEventListener('submit', (event) => {
    const first = results.querySelector('a')
    if (!first || results.dataset.text !== field.value) return
    event.preventDefault()
    first.click()
  })
  palette.addEventListener('keydown', (event) => {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key]
    if (!step) return
    event.preventDefault()
    const stops = [field, ...results.querySelectorAll('a')]
    stops[(Math.max(0, stops.indexOf(document.activeElement)) + step + stops.length) % stops.length].focus()
  })
}
