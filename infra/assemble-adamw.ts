// Assembles shared/finetune/adamw.wat into shared/finetune/adamw-code.ts: tsx infra/assemble-adamw.ts
import { readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import loadWabt from 'wabt'

const path = (name: string) => fileURLToPath(new URL(`../shared/finetune/${name}`, import.meta.url))

const wabt = await loadWabt()
const module = wabt.parseWat('adamw.wat', readFileSync(path('adamw.wat'), 'utf8'), { simd: true })
const code = Buffer.from(module.toBinary({}).buffer).toString('base64')
const lines = code.match(/.{1,90}/g) ?? []
writeFileSync(
  path('adamw-code.ts'),
  [
    '/** adamw.wat as WebAssembly, in base64; made by infra/assemble-adamw.ts. */',
    'export const ADAMW_CODE =',
    lines.map((line) => `  '${line}'`).join(' +\n'),
    '',
  ].join('\n'),
)
