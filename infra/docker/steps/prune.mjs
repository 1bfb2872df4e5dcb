// prune.mjs FOLDER: leaves of node_modules what the bundles ask for at run time.
import { existsSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { argv } from 'node:process'

/** The packages that bundle.mjs leaves outside, as their libraries are native. */
const NATIVE = ['sharp']

const modules = join(argv[2], 'node_modules')
const keep = new Set()
const waiting = [...NATIVE]
for (let name = waiting.pop(); name !== undefined; name = waiting.pop()) {
  const manifest = join(modules, name, 'package.json')
  // Optional ones for other machines are not there.
  if (keep.has(name) || !existsSync(manifest)) continue
  keep.add(name)
  const { dependencies, optionalDependencies } = JSON.parse(readFileSync(manifest, 'utf8'))
  waiting.push(...Object.keys({ ...dependencies, ...optionalDependencies }))
}

for (const entry of readdirSync(modules)) {
  const names = entry.startsWith('@')
    ? readdirSync(join(modules, entry)).map((name) => `${entry}/${name}`)
    : [entry]
  for (const name of names) {
    if (!keep.has(name)) rmSync(join(modules, name), { recursive: true })
  }
}
for (const entry of readdirSync(modules)) {
  if (readdirSync(join(modules, entry)).length === 0)
    rmSync(join(modules, entry), { recursive: true })
}

console.log(`kept: ${[...keep].sort().join(', ')}`)
