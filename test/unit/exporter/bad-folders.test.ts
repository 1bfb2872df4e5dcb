import {
  cpSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import fc from 'fast-check'
import { afterAll, beforeEach, describe, expect, it } from 'vitest'
import { exportEncoder } from '../../../shared/exporter/export-encoder.ts'
import { isEspalierError } from '../../../shared/lib/errors.ts'

const checkpoint = fileURLToPath(new URL('../../golden/checkpoints/bert-mean/', import.meta.url))
const work = mkdtempSync(join(tmpdir(), 'espalier-bad-'))
const folder = join(work, 'model')
const output = join(work, 'out', 'encoder')
afterAll(() => rmSync(work, { recursive: true, force: true }))
beforeEach(resetFolder)

function resetFolder(): void {
  rmSync(folder, { recursive: true, force: true })
  rmSync(join(work, 'out'), { recursive: true, force: true })
  cpSync(checkpoint, folder, { recursive: true })
}

function editJson(file: string, edit: (json: Record<string, unknown>) => void): void {
  const path = join(folder, file)
  const json = JSON.parse(readFileSync(path, 'utf8'))
  edit(json)
  writeFileSync(path, JSON.stringify(json))
}

const exportFloat32 = () => exportEncoder({ folder, output, precisions: ['float32'] })

/** Nothing may stay behind beside the place of a failed export. */
function remains(): string[] {
  try {
    return readdirSync(join(work, 'out'))
  } catch {
    return []
  }
}

describe('exportEncoder on folders that it cannot export', () => {
  it.each<[string, string, (json: Record<string, unknown>) => void, string]>([
    [
      'an architecture',
      'config.json',
      (c) => {
        c.model_type = 'llama'
      },
      'model_type llama; supported: bert, camembert, distilbert',
    ],
    [
      'an activation',
      'config.json',
      (c) => {
        c.hidden_act = 'swish'
      },
      'activation swish; supported: gelu',
    ],
    [
      'relative positions',
      'config.json',
      (c) => {
        c.position_embedding_type = 'relative_key'
      },
      'relative_key; supported: absolute',
    ],
    [
      'more layers than weights',
      'config.json',
      (c) => {
        c.num_hidden_layers = 100
      },
      'has no tensor',
    ],
    [
      'another hidden size',
      'config.json',
      (c) => {
        c.hidden_size = 64
        c.num_attention_heads = 4
      },
      'the configuration asks for',
    ],
    [
      'heads that do not divide',
      'config.json',
      (c) => {
        c.num_attention_heads = 7
      },
      'not a multiple of 7 heads',
    ],
    [
      'a huge hidden size',
      'config.json',
      (c) => {
        c.hidden_size = 1e15
      },
      'hidden_size',
    ],
    [
      'a pooling',
      '1_Pooling/config.json',
      (c) => {
        c.pooling_mode = 'lasttoken'
      },
      'lasttoken; supported: one of mean, cls, max',
    ],
    [
      'prompts left out of pooling',
      '1_Pooling/config.json',
      (c) => {
        c.include_prompt = false
      },
      'include_prompt false; supported',
    ],
    [
      'a length of text',
      'sentence_bert_config.json',
      (c) => {
        c.max_seq_length = 'long'
      },
      'max_seq_length',
    ],
  ])('names %s', async (_name, file, edit, message) => {
    editJson(file, edit)
    await expect(exportFloat32()).rejects.toMatchObject({
      message: expect.stringContaining(message),
    })
    expect(remains()).toEqual([])
  })

  it('names a module that it does not know', async () => {
    writeFileSync(
      join(folder, 'modules.json'),
      JSON.stringify([
        { path: '', type: 'sentence_transformers.models.Transformer' },
        { path: 'x', type: 'a.b.LSTM' },
      ]),
    )
    await expect(exportFloat32()).rejects.toMatchObject({
      code: 'unsupported_model',
      message: expect.stringContaining('module a.b.LSTM; supported: Transformer, Pooling'),
    })
  })

  it('refuses module folders outside the model', async () => {
    const type = 'sentence_transformers.models.'
    writeFileSync(
      join(folder, 'modules.json'),
      JSON.stringify([
        { path: '', type: `${type}Transformer` },
        { path: '../../etc', type: `${type}Pooling` },
      ]),
    )
    await expect(exportFloat32()).rejects.toMatchObject({ code: 'invalid_model_file' })
  })

  it('leaves an existing folder as it is', async () => {
    await exportFloat32()
    const before = readFileSync(join(output, 'encoder.json'))
    await expect(exportFloat32()).rejects.toMatchObject({ code: 'invalid_request' })
    expect(readFileSync(join(output, 'encoder.json')).equals(before)).toBe(true)
  })

  it('gives the same fingerprints and files twice, and when two run at once', async () => {
    const outputs = ['a', 'b', 'b'].map((name) => join(work, 'out', name))
    const manifests = await Promise.all(
      outputs.map((target) =>
        exportEncoder({ folder, output: target, precisions: ['float32'], existing: 'keep' }),
      ),
    )
    expect(new Set(manifests.map((manifest) => JSON.stringify(manifest))).size).toBe(1)
    expect(remains().sort()).toEqual(['a', 'b'])
  })

  it('leaves nothing behind when it is cancelled', async () => {
    const controller = new AbortController()
    const cancelled = exportEncoder({
      folder,
      output,
      precisions: ['float32', 'float16'],
      signal: controller.signal,
      onProgress: (stage) => {
        if (stage === 'writing graphs') controller.abort()
      },
    })
    await expect(cancelled).rejects.toThrow()
    expect(remains()).toEqual([])
  })

  it('asks for calibration texts where int8 has none', async () => {
    await expect(exportEncoder({ folder, output, precisions: ['int8'] })).rejects.toMatchObject({
      message: expect.stringContaining('calibration FILE'),
    })
    const few = join(work, 'few.txt')
    writeFileSync(few, 'one\ntwo\n')
    await expect(
      exportEncoder({ folder, output, precisions: ['int8'], calibration: few }),
    ).rejects.toMatchObject({ message: expect.stringContaining('2 texts; at least 20') })
  })

  it('survives 300 damaged configuration and tokenizer files', async () => {
    const files = [
      'config.json',
      'tokenizer.json',
      'modules.json',
      '1_Pooling/config.json',
      'sentence_bert_config.json',
    ]
    const mutation = fc.record({
      file: fc.constantFrom(...files),
      at: fc.double({ min: 0, max: 1, noNaN: true }),
      text: fc.constantFrom(
        '',
        '{',
        '}',
        '"',
        'null',
        '-1',
        '1e99',
        '[]',
        '\u0000',
        'true',
        '{"a":',
        '99999999',
      ),
      cut: fc.integer({ min: 0, max: 40 }),
    })
    await fc.assert(
      fc.asyncProperty(mutation, async ({ file, at, text, cut }) => {
        const original = readFileSync(join(checkpoint, file), 'utf8')
        const start = Math.floor(at * original.length)
        writeFileSync(
          join(folder, file),
          original.slice(0, start) + text + original.slice(start + cut),
        )
        try {
          await exportEncoder({ folder, output, precisions: ['float32'], existing: 'keep' })
          rmSync(output, { recursive: true, force: true })
        } catch (error) {
          if (!isEspalierError(error)) throw error
          expect(error.message.split('\n')).toHaveLength(1)
        } finally {
          writeFileSync(join(folder, file), original)
        }
      }),
      { numRuns: 300, seed: 11 },
    )
    expect(remains()).toEqual([])
  })
})

describe('links in the folder of a model', () => {
  const elsewhere = join(work, 'elsewhere')
  /** Puts a file or folder of the model elsewhere, and a link in its place. */
  const moveAway = (name: string) => {
    rmSync(elsewhere, { recursive: true, force: true })
    mkdirSync(elsewhere)
    renameSync(join(folder, name), join(elsewhere, name))
    symlinkSync(join(elsewhere, name), join(folder, name))
  }

  it.each(['model.safetensors', 'tokenizer.json', 'config.json', '1_Pooling'])(
    'are not followed out of it: %s',
    async (name) => {
      moveAway(name)
      await expect(exportFloat32()).rejects.toMatchObject({
        code: 'invalid_model_file',
        message: expect.stringContaining(
          `${name} in ${folder} is a link to a file outside the folder`,
        ),
      })
      expect(remains()).toEqual([])
    },
  )

  it('are not followed for the weights beside an ONNX file, which would be copied', async () => {
    writeFileSync(join(folder, 'model.onnx_data'), 'weights')
    moveAway('model.onnx_data')
    await expect(exportFloat32()).rejects.toThrow(/model\.onnx_data in .* is a link/)
  })

  it('may lead to other files of the same folder', async () => {
    renameSync(join(folder, 'tokenizer.json'), join(folder, 'the-tokenizer.json'))
    symlinkSync('the-tokenizer.json', join(folder, 'tokenizer.json'))
    expect((await exportFloat32()).name).toBe('model')
  })

  it('may lead to the blobs of a cache of Hugging Face', async () => {
    const cache = join(work, 'models--some--model')
    const snapshot = join(cache, 'snapshots', 'revision')
    rmSync(cache, { recursive: true, force: true })
    mkdirSync(join(cache, 'blobs'), { recursive: true })
    cpSync(folder, snapshot, { recursive: true })
    renameSync(join(snapshot, 'model.safetensors'), join(cache, 'blobs', 'abc'))
    symlinkSync('../../blobs/abc', join(snapshot, 'model.safetensors'))
    const exported = await exportEncoder({ folder: snapshot, output, precisions: ['float32'] })
    expect(exported.name).toBe('revision')
  })
})
