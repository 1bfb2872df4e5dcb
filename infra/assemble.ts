// Assembles shared/**/NAME.wat into NAME-code.ts beside it: tsx infra/assemble.ts
import { readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import loadWabt from 'wabt'

const SOURCES = ['finetune/optimise/adamw', 'runtime/image/resample']

const path = (name: string) => fileURLToPath(new URL(`../shared/${name}`, import.meta.url))

const wabt = await loadWabt()
for (const source of SOURCES) {
  const name = source.split('/').at(-1) as string
  const text = readFileSync(path(`${source}.wat`), 'utf8')
  const module = wabt.parseWat(`${name}.wat`, text, { simd: true })
  const code = Buffer.from(module.toBinary({}).buffer).toString('base64')
  const lines = code.match(/.{1,90}/g) ?? []
  writeFileSync(
    path(`${source}-code.ts`),
    [
      `/** ${name}.wat as WebAssembly, in base64; made by infra/assemble.ts. */`,
      `export const ${name.toUpperCase()}_CODE =`,
      lines.map((line) => `  '${line}'`).join(' +\n'),
      '',
    ].join('\n'),
  )
}
