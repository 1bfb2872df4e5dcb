import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import fc from 'fast-check'
import { afterAll, beforeEach, describe, expect, it } from 'vitest'
import { readManifest } from '../../../shared/encoders/encoder-artifacts.ts'
import {
  type ExportEncoderOptions,
  exportEncoder,
} from '../../../shared/exporter/export-encoder.ts'
import { EspalierError } from '../../../shared/lib/errors.ts'
import type { Precision } from '../../../shared/lib/manifests/encoder-manifest.ts'
import { scanModel } from '../../../shared/onnx/scan-model.ts'
import { serializeModel } from '../../../shared/onnx/writer.ts'
import { createEngine, goldenJob } from '../../../shared/runtime/open-engine.ts'
import { loadTokenizer } from '../../../shared/runtime/text/tokenizer.ts'
import {
  buildTinyTextGraph,
  TINY_WIDTH,
  type TinyTextGraph,
  writeTinyTextGraph,
} from '../../fakes/tiny-text-graph.ts'

const checkpoint = fileURLToPath(new URL('../../golden/checkpoints/bert-mean', import.meta.url))
const work = mkdtempSync(join(tmpdir(), 'espalier-foreign-'))
const folder = join(work, 'model')
afterAll(() => rmSync(work, { recursive: true, force: true }))
beforeEach(() => {
  rmSync(folder, { recursive: true, force: true })
  cpSync(checkpoint, folder, { recursive: true })
  rmSync(join(folder, 'model.safetensors'))
})

let outputs = 0
async function run(options: Partial<ExportEncoderOptions> = {}) {
  const output = join(work, `out-${outputs++}`)
  const manifest = await exportEncoder({ folder, output, precisions: ['float32'], ...options })
  return { ...manifest, output }
}

function write(graph: TinyTextGraph = {}, file = 'onnx/model.onnx', data?: string): void {
  writeTinyTextGraph(folder, file, graph, data)
}

function editConfig(changes: Record<string, unknown>): void {
  const path = join(folder, 'config.json')
  writeFileSync(path, JSON.stringify({ ...JSON.parse(readFileSync(path, 'utf8')), ...changes }))
}

/** Vectors of texts in one job, unnormalised. */
async function vectorsOf(output: string, texts: readonly string[]): Promise<number[][]> {
  const manifest = await readManifest(output)
  const [precision] = Object.keys(manifest.graphs) as Precision[]
  const engine = await createEngine({
    artifactDir: output,
    manifest,
    precision: precision as Precision,
    device: 'cpu',
  })
  try {
    const job = goldenJob(texts)
    const modes = job.modes.map((mode) => ({ ...mode, normalize: false }))
    const { vectors, failures } = await engine.run({ ...job, modes })
    expect(failures).toEqual([])
    return texts.map((_, i) => Array.from(vectors.subarray(i * TINY_WIDTH, (i + 1) * TINY_WIDTH)))
  } finally {
    await engine.release()
  }
}

const TEXTS = ['the water', 'We can write more than one word.', 'a', 'people find a long way down']

/** What the graph's table gives for the tokens of a text, put together by `of`. */
async function expectedOf(text: string, of: (values: readonly number[]) => number) {
  const tokenizer = await loadTokenizer(join(folder, 'tokenizer.json'))
  const { ids } = tokenizer.encode(text, {
    maxTokens: 48,
    truncate: true,
    truncationDirection: 'right',
  })
  return Array.from({ length: TINY_WIDTH }, (_, column) =>
    of(ids.map((id) => Math.fround(Math.sin((id * TINY_WIDTH + column) ** 2 + 1)))),
  )
}
const mean = (values: readonly number[]) => values.reduce((a, b) => a + b, 0) / values.length
const largest = (values: readonly number[]) => Math.max(...values)

async function expectVectors(output: string, of: typeof mean, digits = 5): Promise<void> {
  const found = await vectorsOf(output, TEXTS)
  for (const [i, text] of TEXTS.entries()) {
    const wanted = await expectedOf(text, of)
    for (const [j, value] of (found[i] as number[]).entries()) {
      expect(value, text).toBeCloseTo(wanted[j] as number, digits)
    }
  }
}

describe('outputs of a graph', () => {
  it('hidden states are pooled as the folder says', async () => {
    write()
    const { output, pooling, schema, graphs } = await run()
    expect({ pooling, schema }).toEqual({ pooling: 'mean', schema: 1 })
    expect(Object.keys(graphs)).toEqual(['float32'])
    await expectVectors(output, mean)
  })

  it("a graph's own sentence_embedding is taken, unless a pooling is asked for", async () => {
    write({ outputs: ['last_hidden_state'] })
    const states = await run()
    write({ outputs: ['token_embeddings', 'sentence_embedding'] })
    const own = await run()
    expect(own.pooling).toBe('none')
    expect(own.family).not.toBe(states.family)
    await expectVectors(own.output, largest)
    await expectVectors((await run({ pooling: 'mean' })).output, mean)
  })

  it('a graph that gives vectors needs no pooling', async () => {
    rmSync(join(folder, 'modules.json'))
    rmSync(join(folder, '1_Pooling'), { recursive: true })
    write({ outputs: ['sentence_embedding'] })
    expect((await run()).pooling).toBe('none')
    write()
    await expect(run()).rejects.toMatchObject({ code: 'invalid_request', param: 'pooling' })
    expect((await run({ pooling: 'max' })).pooling).toBe('max')
  })

  it('hidden states are told by their name', async () => {
    write({ outputs: ['hidden_1', 'last_hidden_state'] })
    const { output, graphs, family } = await run()
    expect(graphs.float32?.hidden).toBe('last_hidden_state')
    write({ outputs: ['hidden_1'] })
    expect((await run()).family).not.toBe(family)
    await expectVectors(output, mean)
  })

  it('logits beside hidden states are left out if somebody says so', async () => {
    write({ outputs: ['logits', 'last_hidden_state'] })
    await expect(run()).rejects.toMatchObject({
      code: 'invalid_request',
      param: 'headless',
      message: expect.stringContaining('is a classifier (logits of model.onnx), no encoder'),
    })
    await expectVectors((await run({ headless: true })).output, mean)
  })

  it('logits alone are no vectors, also by another name', async () => {
    write({ outputs: ['logits'] })
    const refused = /gives logits \[1, 3\]: answers of an output layer and no hidden states/
    await expect(run()).rejects.toThrow(refused)
    await expect(run({ headless: true })).rejects.toThrow(refused)
    write({ outputs: ['scores'] })
    editConfig({
      architectures: ['BertForSequenceClassification'],
      id2label: { 0: 'a', 1: 'b', 2: 'c' },
    })
    await expect(run()).rejects.toThrow(/gives scores \[1, 3\]: answers/)
  })

  it('vectors of a classifier are asked about, hidden states are not', async () => {
    editConfig({ architectures: ['BertForSequenceClassification'] })
    write()
    expect((await run()).pooling).toBe('mean')
    write({ outputs: ['sentence_embedding'] })
    await expect(run()).rejects.toMatchObject({ param: 'headless' })
  })
})

describe('a graph that is quantised dynamically', () => {
  it('is refused, and taken a text at a time if somebody names it', async () => {
    write({ dynamic: true })
    await expect(run()).rejects.toMatchObject({
      code: 'invalid_request',
      param: 'onnx',
      message: expect.stringMatching(
        /onnx\/model\.onnx is quantised dynamically: .* pass onnx onnx\/model\.onnx to take it as it is, int8/,
      ),
    })
    const { output, graphs, schema } = await run({ onnx: 'onnx/model.onnx' })
    expect(Object.keys(graphs)).toEqual(['int8'])
    expect(schema).toBe(2)
    const together = await vectorsOf(output, TEXTS)
    for (const [i, text] of TEXTS.entries()) {
      expect((await vectorsOf(output, [text]))[0], text).toEqual(together[i])
    }
  })

  it('has another fingerprint than one with scales of its own', async () => {
    write({}, 'onnx/model_quantized.onnx')
    const plain = await run({ onnx: 'onnx/model_quantized.onnx' })
    write({ dynamic: true }, 'onnx/model_quantized.onnx')
    const dynamic = await run({ onnx: 'onnx/model_quantized.onnx' })
    expect(dynamic.graphs.int8?.fingerprint).not.toBe(plain.graphs.float32?.fingerprint)
  })
})

describe('files of a graph', () => {
  it('are named, and those that there are are listed', async () => {
    write({ type: 'float16' }, 'onnx/model_fp16.onnx')
    write({}, 'onnx/model_O4.onnx')
    await expect(run()).rejects.toThrow(
      /has neither .*onnx\/model_O4\.onnx, onnx\/model_fp16\.onnx/,
    )
    await expectVectors((await run({ onnx: 'onnx/model_O4.onnx' })).output, mean)
    await expect(run({ onnx: 'onnx/model_O3.onnx' })).rejects.toThrow(
      /onnx\/model_O3\.onnx is no ONNX file in .*; there is: onnx\/model_O4\.onnx, onnx\/model_fp16\.onnx/,
    )
    await expect(run({ onnx: '../model/onnx/../../x.onnx' })).rejects.toMatchObject({
      code: 'invalid_model_file',
    })
  })

  it('give float16, which is widened', async () => {
    write({ type: 'float16' }, 'onnx/model_fp16.onnx')
    const { output, graphs, schema } = await run({ onnx: 'onnx/model_fp16.onnx' })
    expect({ schema, precisions: Object.keys(graphs) }).toEqual({
      schema: 2,
      precisions: ['float32'],
    })
    await expectVectors(output, mean, 2)
  })

  it.each(['weights.bin', 'model.onnx_data', 'sub/weights', 'weights of mine.bin'])(
    'have weights in %s',
    async (data) => {
      write({}, 'onnx/model.onnx', data)
      await expectVectors((await run()).output, mean)
    },
  )

  it.each([['../../weights.bin'], ['/etc/hostname']])('have no weights in %s', async (data) => {
    write({}, 'onnx/model.onnx', 'weights.bin')
    const path = join(folder, 'onnx/model.onnx')
    const model = serializeModel(buildTinyTextGraph(), { file: data })
    writeFileSync(path, model.graph)
    writeFileSync(join(work, 'weights.bin'), Buffer.concat(model.data))
    await expect(run()).rejects.toMatchObject({ code: 'invalid_model_file' })
  })

  it.each<[number | string, number | string]>([
    [1, 16],
    ['batch', 16],
    [1, 'tokens'],
    [3, 16],
    [3, 'tokens'],
  ])('may be of the fixed shape %s x %s', async (rows, tokens) => {
    write({ shape: [rows, tokens] })
    const { output, maxTokens } = await run()
    expect(maxTokens).toBe(tokens === 16 ? 16 : 48)
    await expectVectors(output, mean)
  })
})

describe('how long a text may be', () => {
  it('is asked for where nothing says it', async () => {
    write()
    for (const file of ['sentence_bert_config.json', 'tokenizer_config.json']) {
      rmSync(join(folder, file))
    }
    expect((await run()).maxTokens).toBe(64)
    editConfig({ model_type: 'roberta', max_position_embeddings: 66, pad_token_id: 1 })
    expect((await run()).maxTokens).toBe(64)
    editConfig({ max_position_embeddings: null })
    await expect(run()).rejects.toMatchObject({
      code: 'invalid_request',
      param: 'max-tokens',
      message: expect.stringContaining('pass max-tokens N; 512 is the usual length'),
    })
    expect((await run({ maxTokens: 100 })).maxTokens).toBe(100)
  })
})

describe('scanning a model', () => {
  it('finds operators, edges and files', () => {
    const { graph } = serializeModel(
      buildTinyTextGraph({ dynamic: true, shape: [1, 'tokens'], outputs: ['a', 'logits'] }),
      { file: 'elsewhere' },
    )
    const scan = scanModel(graph)
    expect([...scan.operators]).toContain('DynamicQuantizeLinear')
    expect(scan.inputs.map(({ name, shape }) => [name, shape])).toEqual([
      ['input_ids', [1, 'tokens']],
      ['attention_mask', [1, 'tokens']],
    ])
    expect(scan.outputs.map(({ name }) => name)).toEqual(['a', 'logits'])
    expect([...scan.dataFiles]).toEqual(['elsewhere'])
  })

  it('survives 400 damaged files', () => {
    const { graph } = serializeModel(buildTinyTextGraph({ dynamic: true }))
    const change = fc.record({ at: fc.nat(graph.length - 1), byte: fc.nat(255) })
    fc.assert(
      fc.property(fc.array(change, { minLength: 1, maxLength: 6 }), fc.nat(), (changes, cut) => {
        const bytes = graph.slice(0, cut % 3 === 0 ? cut % graph.length : graph.length)
        for (const { at, byte } of changes) if (at < bytes.length) bytes[at] = byte
        try {
          scanModel(bytes)
        } catch (error) {
          if (!(error instanceof EspalierError)) throw error
        }
      }),
      { numRuns: 400, seed: 5 },
    )
  })
})
