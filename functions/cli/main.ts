#!/usr/bin/env node
/**
 * The command `espalier`. Tells an old Node that it is too old before it loads what such a Node cannot read: this
 * file imports nothing at once, waits for nothing at the top level, and is written in words that any Node knows.
 */
const [major = 0, minor = 0] = process.versions.node.split('.').map(Number)

if (major < 20 || (major === 20 && minor < 19)) {
  process.stderr.write(
    `espalier: needs Node.js 20.19 or newer, and this is ${process.version}: see https://nodejs.org\n`,
  )
  process.exitCode = 1
} else {
  void import('./start.ts').then(({ start }) => start(new URL('..', import.meta.url)))
}

export {}
