// Runs the script of this name. Prints the error and fails if there is one.
import {
  close, launch,
} from './browser.mjs'

const name = process.argv[2]
try {
  const { default: parts } = await import(`./${name}.mjs`)
  await launch()
  for (const part of parts) {
    const began = Date.now()
    await part()
    console.log(`${name}: ${part.name}: ${Date.now() - began} ms`)
  }
  await close()
  process.exit(0)
} catch (error) {
  console.error(error.stack ?? error)
  process.exit(1)
}
