// What pages do with a script: copying, counting down, refreshing. All of it is left out without one.
'use strict'

for (const button of document.querySelectorAll('[data-copy]')) {
  const words = button.firstChild
  const label = words.textContent
  button.hidden = false
  button.addEventListener('click', async () => {
    const text = document.getElementById(button.dataset.copy).textContent
    if (!(await copied(text))) return
    words.textContent = document.body.dataset.copied
    setTimeout(() => { words.textContent = label }, 2000)
  })
}

// Outside TLS browsers have no clipboard but the old one.
async function copied(text) {
  try {
    await navigator.clipboard.writeText(text)
    return true
  } catch {
    const field = document.createElement('textarea')
    field.value = text
    field.className = 'unseen'
    document.body.append(field)
    field.select()
    const done = document.execCommand('copy')
    field.remove()
    return done
  }
}

const ends = document.querySelectorAll('[data-until]')
if (ends.length) {
  const count = () => ends.forEach((end) => {
    const left = Math.max(0, Math.floor((Number(end.dataset.until) - Date.now()) / 1000))
    // What ends later than in two days needs no seconds.
    if (left > 2 * 86400) return
    const [, hours, minutes, seconds] = end.dataset.units.split(' ')
    const [h, m, s] = [Math.floor(left / 3600), Math.floor(left / 60) % 60, left % 60]
    end.textContent = `${h ? `${h} ${hours} ` : ''}${h || m ? `${m} ${minutes} ` : ''}${s} ${seconds}`
  })
  count()
  setInterval(count, 1000)
}

const refreshing = document.querySelector('[data-refresh]')
if (refreshing) {
  let paused = false
  const button = document.createElement('button')
  const name = () => { button.textContent = paused ? refreshing.dataset.resume : refreshing.dataset.pause }
  button.className = 'small'
  button.type = 'button'
  name()
  button.addEventListener('click', () => { paused = !paused; name() })
  const words = refreshing.firstChild
  refreshing.append(button)
  setInterval(async () => {
    const live = document.getElementById('live')
    // Not under somebody's hands, and not while nobody looks.
    if (paused || document.hidden || live.querySelector('details[open]') || live.contains(document.activeElement)) return
    const answer = await fetch(location.href, { redirect: 'manual' }).catch(() => null)
    if (answer?.type === 'opaqueredirect') return location.reload()
    if (!answer?.ok) return
    const page = new DOMParser().parseFromString(await answer.text(), 'text/html')
    live.replaceWith(page.getElementById('live'))
    words.textContent = page.querySelector('[data-refresh]').firstChild.textContent
  }, Number(refreshing.dataset.refresh) * 1000)
}

// The secret of an invitation is in the fragment, which no log has. Neither has the history from here on.
const fragment = document.querySelector('#fragment input')
if (fragment && location.hash.length > 1) {
  fragment.value = location.hash.slice(1)
  history.replaceState(null, '', location.pathname)
  fragment.form.submit()
}
// A link that is opened on the page of another one changes nothing but the fragment.
addEventListener('hashchange', () => {
  if (location.hash.startsWith('#kwv_')) location.replace(`${location.pathname}?open${location.hash}`)
})

// What was wrong is where one begins.
document.querySelector('[aria-invalid]')?.focus()

// On a phone the menu is one line that scrolls.
document.querySelector('.menu [aria-current]')?.scrollIntoView({ block: 'nearest', inline: 'center' })
