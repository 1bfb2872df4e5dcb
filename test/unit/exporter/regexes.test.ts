import { cpSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeEach, describe, expect, it } from 'vitest'
import { exportEncoder } from '../../../shared/exporter/export-encoder.ts'
import { KNOWN_REGEXES } from '../../../shared/exporter/regexes/known-regexes.ts'
import { findBaseFolder } from '../../../shared/jobs/finetune/base.ts'
import { openRegistry } from '../../../shared/registry/registry.ts'
import { openMemoryStore } from '../../../shared/registry/stores/memory/store.ts'
import { compileRegex } from '../../../shared/runtime/text/tokenizer-file.ts'

const checkpoint = fileURLToPath(new URL('../../golden/checkpoints/bert-mean/', import.meta.url))
const work = mkdtempSync(join(tmpdir(), 'espalier-regexes-'))
const folder = join(work, 'model')
const output = join(work, 'encoder')
afterAll(() => rmSync(work, { recursive: true, force: true }))
beforeEach(() => {
  rmSync(folder, { recursive: true, force: true })
  rmSync(output, { recursive: true, force: true })
  cpSync(checkpoint, folder, { recursive: true })
})

type Steps = Record<string, unknown>
const replace = (regex: string) => ({ type: 'Replace', pattern: { Regex: regex }, content: ' ' })
const split = (regex: string) => ({
  type: 'Split',
  pattern: { Regex: regex },
  behavior: 'Isolated',
  invert: false,
})

/** Puts steps beside, or around, those of the tokenizer. */
function edit(change: (tokenizer: Steps) => void): void {
  const path = join(folder, 'tokenizer.json')
  const tokenizer = JSON.parse(readFileSync(path, 'utf8'))
  change(tokenizer)
  writeFileSync(path, JSON.stringify(tokenizer))
}

function addNormalizer(regex: string): void {
  edit((tokenizer) => {
    tokenizer.normalizer = { type: 'Sequence', normalizers: [tokenizer.normalizer, replace(regex)] }
  })
}

const exportIt = (allowRegex?: boolean) =>
  exportEncoder({ folder, output, precisions: ['float32'], allowRegex })

describe('an export of a tokenizer with regular expressions', () => {
  it.each<[string, (tokenizer: Steps) => void]>([
    [
      'normalizer.normalizers[1].pattern.Regex',
      (t) => {
        t.normalizer = { type: 'Sequence', normalizers: [t.normalizer, replace('(a+)+$')] }
      },
    ],
    [
      'normalizer.normalizers[0].normalizers[0].pattern.Regex',
      (t) => {
        const inner = { type: 'Sequence', normalizers: [replace('(a+)+$')] }
        t.normalizer = { type: 'Sequence', normalizers: [inner, t.normalizer] }
      },
    ],
    [
      'pre_tokenizer.pattern.Regex',
      (t) => {
        t.pre_tokenizer = split('(a+)+$')
      },
    ],
    [
      'pre_tokenizer.pretokenizers[1].pattern.Regex',
      (t) => {
        const pretokenizers = [t.pre_tokenizer, split('(a+)+$')]
        t.pre_tokenizer = { type: 'Sequence', pretokenizers }
      },
    ],
    [
      'decoder.decoders[0].pattern.Regex',
      (t) => {
        t.decoder = { type: 'Sequence', decoders: [replace('(a+)+$')] }
      },
    ],
  ])('finds a dangerous one at %s', async (place, change) => {
    edit(change)
    const error = await exportIt().catch((e: unknown) => e)
    expect(error).toMatchObject({ code: 'unsupported_model' })
    const { message } = error as Error
    expect(message).toContain(`tokenizer.json: ${place}: "(a+)+$" `)
    expect(message).toMatch(/exponential time on texts like '.*'\.repeat\(\d+\)/)
    expect(message).toContain('allow-regex')
    expect(existsSync(output)).toBe(false)
  })

  it.each([
    ['(x+x+)+y', 'exponential'],
    ['(?:a|a)*b', 'exponential'],
    ['^(\\w+\\s?)*$', 'exponential'],
    ['\\s+$', 'polynomial'],
    ['.*.*=.*', 'polynomial'],
    ['(a*)*\\1b', 'exponential'],
    ['(?>a+)b', 'polynomial'],
    ['(?i:a|A)+$', 'exponential'],
  ])('refuses %s', async (regex, complexity) => {
    addNormalizer(regex)
    const failing = exportIt()
    await expect(failing).rejects.toMatchObject({ code: 'unsupported_model' })
    await expect(failing).rejects.toThrow(JSON.stringify(regex))
    await expect(failing).rejects.toThrow(complexity)
  })

  it('refuses one that is too long to be checked', async () => {
    addNormalizer('[ab]'.repeat(3_000))
    await expect(exportIt()).rejects.toThrow('has 12000 characters; at most 10000 can be checked')
  })

  it('refuses one that nests too deep to be checked', async () => {
    addNormalizer(`${'('.repeat(3_000)}a${')'.repeat(3_000)}`)
    await expect(exportIt()).rejects.toThrow('nests too deep to be checked')
  })

  it.each([
    ['(?<name', 'unusable tokenizer'],
    ['(?<=a', 'unusable tokenizer'],
    ['[z-a]', 'unusable tokenizer'],
  ])('says that %s is none of JavaScript', async (regex, reason) => {
    addNormalizer(regex)
    const failing = exportIt()
    await expect(failing).rejects.toMatchObject({ code: 'invalid_model_file' })
    await expect(failing).rejects.toThrow(reason)
  })

  it.each(['[0-9]{2,4}', '(?:\\r?\\n)+(?!\\r?\\n)', '\\p{Lu}?[a-z]+', '(?i:ab|cd)|\\d', 'a|b+'])(
    'takes %s',
    async (regex) => {
      addNormalizer(regex)
      await expect(exportIt()).resolves.toMatchObject({ modality: 'text' })
    },
  )

  it('takes all of those that are published, wherever they stand', async () => {
    const pretokenizers = [...KNOWN_REGEXES].map(split)
    edit((tokenizer) => {
      tokenizer.pre_tokenizer = { type: 'Sequence', pretokenizers }
    })
    await expect(exportIt()).resolves.toMatchObject({ modality: 'text' })
  })

  it('takes a dangerous one where that is asked for', async () => {
    addNormalizer('(a+)+$')
    await expect(exportIt(true)).resolves.toMatchObject({ modality: 'text' })
  })

  it('is refused before an encoder is fine-tuned, not after', async () => {
    addNormalizer('(a+)+$')
    const registry = openRegistry(openMemoryStore())
    const finding = findBaseFolder({ builtinFolder: work, registry }, folder)
    await expect(finding).rejects.toMatchObject({ code: 'unsupported_model' })
    await expect(finding).rejects.not.toThrow('allow-regex')
  })
})

describe('the expressions that are not checked', () => {
  // In quadratic time each of these would take minutes.
  const LENGTH = 100_000
  const units = [
    'a',
    'A',
    'aA',
    '字',
    'ǅ',
    'ʰ\u0301',
    '1',
    ' ',
    '\n',
    ' \n',
    '\r\n',
    '!',
    "'s",
    'a ',
    '_',
  ]
  it.each([...KNOWN_REGEXES])('%s takes linear time', (regex) => {
    const compiled = compileRegex(regex)
    for (const unit of units) {
      const run = unit.repeat(LENGTH / unit.length)
      for (const text of [`${run}x`, `x${run}!`]) {
        let end = 0
        for (const match of text.matchAll(compiled)) end = match.index + match[0].length
        expect(end).toBeLessThanOrEqual(text.length)
      }
    }
  })
})
