import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import fc from 'fast-check'
import { afterAll, beforeEach, describe, expect, it } from 'vitest'
import { prepareArtifact } from '../../../shared/encoders/encoder-artifacts.ts'
import { exportEncoder } from '../../../shared/exporter/export-encoder.ts'
import { readTokenizer } from '../../../shared/exporter/source/source-tokenizer.ts'
import { readSentencePiece } from '../../../shared/exporter/vocabulary/sentencepiece-model.ts'
import { isEspalierError } from '../../../shared/lib/errors.ts'
import { print } from '../../../shared/lib/wording.ts'

/** Made by transformers; see test/golden/make-vocabularies.py. */
const golden = fileURLToPath(new URL('../../golden/vocabularies/', import.meta.url))
const checkpoint = fileURLToPath(new URL('../../golden/checkpoints/bert-mean/', import.meta.url))
const work = mkdtempSync(join(tmpdir(), 'espalier-vocabulary-'))
const folder = join(work, 'model')
afterAll(() => rmSync(work, { recursive: true, force: true }))
beforeEach(() => rmSync(folder, { recursive: true, force: true }))

const use = (name: string) => cpSync(join(golden, name), folder, { recursive: true })
const write = (name: string, value: unknown) =>
  writeFileSync(join(folder, name), typeof value === 'string' ? value : JSON.stringify(value))
const whole = { maxTokens: 10_000, truncate: false, truncationDirection: 'right' } as const
const idsOf = async (text: string) =>
  (await readTokenizer(folder)).tokenizer.encode(text, whole).ids

interface Item {
  readonly text: string
  readonly ids: number[]
}

describe.each(readdirSync(golden))('the tokenizer of the folder %s', (name) => {
  it('gives the ids of transformers, and is the same every time', async () => {
    use(name)
    const { items } = JSON.parse(readFileSync(join(golden, name, 'expected.json'), 'utf8'))
    const { tokenizer, bytes, note } = await readTokenizer(folder)
    expect((items as Item[]).length).toBeGreaterThan(70)
    for (const { text, ids } of items as Item[]) {
      expect(tokenizer.encode(text, whole).ids, JSON.stringify(text)).toEqual(ids)
    }
    expect(print(note ?? [])).toMatch(/its tokenizer is made from .*, as it has no tokenizer\.json/)
    expect(Buffer.from((await readTokenizer(folder)).bytes).equals(Buffer.from(bytes))).toBe(true)
  })
})

describe('a folder without tokenizer.json', () => {
  it('takes tokenizer.json where there is one', async () => {
    use('bert')
    cpSync(join(checkpoint, 'tokenizer.json'), join(folder, 'tokenizer.json'))
    write('vocab.txt', 'nothing')
    expect((await readTokenizer(folder)).note).toBeNull()
  })

  it('goes by model_type where no class is named, and by the class where both are', async () => {
    use('xlm-roberta')
    const wanted = await idsOf('the first people')
    write('tokenizer_config.json', {})
    expect(await idsOf('the first people')).toEqual(wanted)
    // multilingual-e5-small is BERT with the pieces of XLM-R.
    write('config.json', { model_type: 'bert' })
    write('tokenizer_config.json', { tokenizer_class: 'XLMRobertaTokenizerFast' })
    expect(await idsOf('the first people')).toEqual(wanted)
  })

  it('reads special tokens that lie apart, and tokens that were added', async () => {
    use('mpnet')
    write('special_tokens_map.json', { cls_token: { content: '[UNK]' }, sep_token: '</s>' })
    write('tokenizer_config.json', { tokenizer_class: 'MPNetTokenizer', do_lower_case: true })
    const words = readFileSync(join(folder, 'vocab.txt'), 'utf8').trimEnd().split('\n')
    const size = words.length
    write('added_tokens.json', { '[new]': size })
    const ids = await idsOf('the [new]')
    expect(ids[0]).toBe(words.indexOf('[UNK]'))
    expect(ids.at(-2)).toBe(size)
    write('added_tokens.json', { '[new]': 40_000_000 })
    await expect(idsOf('the')).rejects.toMatchObject({
      code: 'invalid_model_file',
      message: `the added token [new] has the number 40000000; in this vocabulary it is ${size}`,
    })
  })

  it('counts the lines of vocab.txt, with duplicates and whatever ends them', async () => {
    use('bert-duplicates')
    const text = readFileSync(join(folder, 'vocab.txt'), 'utf8')
    const before = await idsOf('the people of water')
    write('vocab.txt', text.replaceAll('\n', '\r\n').trimEnd())
    expect(await idsOf('the people of water')).toEqual(before)
  })

  it.each([
    [
      { tokenizer_class: 'BertJapaneseTokenizer' },
      /tokenizer_class BertJapaneseTokenizer; supported: BertTok/,
    ],
    [{ tokenizer_class: 'toString' }, /tokenizer_class toString; supported/],
    [
      { tokenizer_class: 'T5Tokenizer' },
      /vocab\.txt: a tokenizer of t5 is made from sentencepiece/,
    ],
    [{ do_basic_tokenize: false, do_lower_case: true }, /do_basic_tokenize false; supported: true/],
    [{ cls_token: '[START]', do_lower_case: true }, /vocab\.txt: has no \[START\]/],
    [{ do_lower_case: 'yes' }, /tokenizer_config\.json: do_lower_case: /],
  ])('is refused with %j', async (config, message) => {
    use('bert')
    write('tokenizer_config.json', config)
    await expect(readTokenizer(folder)).rejects.toThrow(message)
  })

  it.each([
    ['no words', ''],
    ['no special tokens', 'the\nof\n'],
    ['bytes that are no text', Buffer.from([0x5b, 0xff, 0x0a])],
  ])('is refused with a vocab.txt of %s', async (_what, content) => {
    use('bert')
    writeFileSync(join(folder, 'vocab.txt'), content)
    await expect(readTokenizer(folder)).rejects.toMatchObject({ code: 'invalid_model_file' })
  })

  it('is asked whether case is kept where words in upper case leave it open', async () => {
    use('bert-cased')
    write('tokenizer_config.json', {})
    await expect(readTokenizer(folder)).rejects.toMatchObject({
      code: 'unsupported_model',
      message: expect.stringContaining('nothing says do_lower_case'),
    })
  })

  it('says what it has where nothing can be made of it', async () => {
    use('bert')
    rmSync(join(folder, 'vocab.txt'))
    await expect(readTokenizer(folder)).rejects.toThrow(/has no tokenizer: neither tokenizer\.json/)
    write('vocab.json', {})
    write('merges.txt', '')
    await expect(readTokenizer(folder)).rejects.toThrow(
      /none is made from vocab\.json and merges\.txt; write one with save_pretrained/,
    )
  })

  it('is the same encoder as with the tokenizer.json of the same words', async () => {
    cpSync(checkpoint, folder, { recursive: true })
    const artifact = (name: string) => ({
      folder,
      output: join(work, name),
      precisions: ['float32'] as const,
    })
    const stated = await exportEncoder(artifact('stated'))
    const { vocab } = JSON.parse(readFileSync(join(folder, 'tokenizer.json'), 'utf8')).model
    const words = Object.entries(vocab as Record<string, number>).sort(([, a], [, b]) => a - b)
    write('vocab.txt', words.map(([word]) => `${word}\n`).join(''))
    rmSync(join(folder, 'tokenizer.json'))
    const config = JSON.parse(readFileSync(join(folder, 'tokenizer_config.json'), 'utf8'))
    const kind = { tokenizer_class: 'BertTokenizer', do_lower_case: true }
    write('tokenizer_config.json', { ...config, ...kind })
    const made = await exportEncoder(artifact('made'))
    expect(made.golden).toEqual(stated.golden)
    expect(made.files['float32.onnx.data']).toEqual(stated.files['float32.onnx.data'])
  })

  it('is exported again when its vocabulary changes', async () => {
    cpSync(checkpoint, folder, { recursive: true })
    rmSync(join(folder, 'tokenizer.json'))
    for (const name of ['vocab.txt', 'tokenizer_config.json']) {
      cpSync(join(golden, 'bert', name), join(folder, name))
    }
    const prepare = () =>
      prepareArtifact(
        { builtinFolder: work, cacheFolder: work, calibrationTexts: 'none', threads: 1 },
        { encoder: folder, precision: 'float32' },
      )
    const before = await prepare()
    const words = readFileSync(join(folder, 'vocab.txt'), 'utf8').split('\n')
    write('vocab.txt', [...words.slice(0, 20), 'zebra', ...words.slice(21)].join('\n'))
    const after = await prepare()
    expect(after.folder).not.toBe(before.folder)
    expect(after.manifest.family).not.toBe(before.manifest.family)
  })
})

describe('a damaged model of SentencePiece', () => {
  it.each(['xlm-roberta', 't5'])('of %s is refused or read within its bytes, 400 times', (name) => {
    const [file = ''] = readdirSync(join(golden, name)).filter((each) => each.endsWith('.model'))
    const original = readFileSync(join(golden, name, file))
    const change = fc.record({ at: fc.nat(original.length - 1), byte: fc.nat(255) })
    fc.assert(
      fc.property(
        fc.array(change, { minLength: 1, maxLength: 8 }),
        fc.nat(4 * original.length),
        (changes, cut) => {
          const bytes = Buffer.from(original.subarray(0, Math.min(cut, original.length)))
          for (const { at, byte } of changes) if (at < bytes.length) bytes[at] = byte
          try {
            const { pieces, charsmap } = readSentencePiece(bytes)
            const size = pieces.reduce((sum, { text }) => sum + text.length, charsmap.length)
            expect(size).toBeLessThanOrEqual(bytes.length)
          } catch (error) {
            refuse(error)
          }
        },
      ),
      { numRuns: 400, seed: 11 },
    )
  })

  it('gives a tokenizer or one line, 300 times', async () => {
    use('t5')
    const path = join(folder, 'spiece.model')
    const original = readFileSync(path)
    // Pieces and settings lie at both ends; the rules of normalisation between them.
    const near = fc.oneof(
      fc.nat(6000),
      fc.nat(1000).map((at) => original.length - 1 - at),
    )
    const change = fc.record({ at: near, byte: fc.nat(255) })
    await fc.assert(
      fc.asyncProperty(fc.array(change, { minLength: 1, maxLength: 4 }), async (changes) => {
        const bytes = Buffer.from(original)
        for (const { at, byte } of changes) bytes[at] = byte
        writeFileSync(path, bytes)
        try {
          const { tokenizer } = await readTokenizer(folder)
          tokenizer.encode('The first people could find ½ water', whole)
        } catch (error) {
          refuse(error)
        }
      }),
      { numRuns: 300, seed: 12 },
    )
  })
})

function refuse(error: unknown): void {
  if (!isEspalierError(error)) throw error
  expect(error.message.split('\n')).toHaveLength(1)
}
