// The pictures of the documentation, of a server with the sample data of `keyward demo`.
import { control, fill, input, leads, leave, member, press, shot, to } from './browser.mjs'

async function overview() {
  const page = await member(input.operator)
  await to(page, '/overview')
  await page.locator('.tile').first().waitFor()
  await shot(page, 'overview')
  await leave(page)
}

/** The page of an application, and its path. */
async function open(email, name) {
  const page = await member(email)
  await to(page, '/applications')
  await leads(page, () => page.getByRole('link', { name }).first().click())
  return [page, new URL(page.url()).pathname.replace('/portal', '')]
}

async function applications() {
  const [failing] = await open(input.otherDeveloper, 'Price checker')
  await press(failing, 'Activity')
  await shot(failing, 'application')
  await leave(failing)

  const [page, own] = await open(input.developer, 'Warehouse sync')
  await press(page, 'Quick start')
  await shot(page, 'quick-start')
  await to(page, `${own}/keys`)
  await shot(page, 'api-keys')
  await fill(page, { name: 'Nightly import' })
  await press(page, 'Create key')
  await shot(page, 'key-made')
  await leave(page)

  const french = await member(input.developer)
  await leads(french, () => french.locator('header').getByRole('button', { name: 'Français' }).click())
  await to(french, `${own}/keys`)
  await fill(french, { name: 'Import nocturne' })
  await leads(french, () => control(french, 'Créer la clé').click())
  await shot(french, 'key-made-fr')
  await leave(french)
}

export default [overview, applications]
