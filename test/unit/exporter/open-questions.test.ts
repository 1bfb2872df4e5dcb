import { cpSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeEach, describe, expect, it } from 'vitest'
import { prepareArtifact } from '../../../shared/encoders/encoder-artifacts.ts'
import { openSafetensors } from '../../../shared/exporter/checkpoint/safetensors.ts'
import {
  type ExportEncoderOptions,
  exportEncoder,
} from '../../../shared/exporter/export-encoder.ts'
import { writeSafetensors } from '../../../shared/exporter/source/safetensors-writer.ts'
import { findBaseFolder } from '../../../shared/jobs/finetune/base.ts'
import type { EncoderManifest } from '../../../shared/lib/manifests/encoder-manifest.ts'
import { print } from '../../../shared/lib/wording.ts'
import { openRegistry } from '../../../shared/registry/registry.ts'
import { openMemoryStore } from '../../../shared/registry/stores/memory/store.ts'
import { createFakeBoot } from '../../fakes/fake-boot.ts'
import { writeTinyTextGraph } from '../../fakes/tiny-text-graph.ts'
import { runCommand } from '../cli/run.ts'

const place = (path: string) => fileURLToPath(new URL(`../../../${path}`, import.meta.url))
const work = mkdtempSync(join(tmpdir(), 'espalier-open-'))
const folder = join(work, 'model')
afterAll(() => rmSync(work, { recursive: true, force: true }))
beforeEach(() => {
  rmSync(folder, { recursive: true, force: true })
  cpSync(place('test/golden/checkpoints/bert-cls-prompts'), folder, { recursive: true })
})

type Json = Record<string, unknown>

function edit(file: string, changes: Json): void {
  const path = join(folder, file)
  writeFileSync(path, JSON.stringify({ ...JSON.parse(readFileSync(path, 'utf8')), ...changes }))
}

const remove = (...files: string[]) => {
  for (const file of files) rmSync(join(folder, file), { recursive: true })
}

let outputs = 0
async function run(options: Partial<ExportEncoderOptions> = {}) {
  const notes: string[] = []
  const manifest = await exportEncoder({
    folder,
    output: join(work, `out-${outputs++}`),
    precisions: ['float32'],
    onNote: (note) => notes.push(print(note)),
    ...options,
  })
  return { ...manifest, notes }
}

/** What a published model's folder says, without its weights: a graph takes their place. */
function publishedAs(name: string, layers: number): void {
  remove('model.safetensors', 'modules.json', '1_Pooling', 'sentence_bert_config.json')
  remove('config_sentence_transformers.json')
  writeTinyTextGraph(folder, 'onnx/model.onnx')
  edit('config.json', {
    _name_or_path: name,
    architectures: ['BertModel'],
    hidden_size: 384,
    num_hidden_layers: layers,
    vocab_size: 30_522,
  })
}

describe('a folder that does not say how it pools', () => {
  it('is asked about, and exports the same with the answer', async () => {
    const stated = await run()
    remove('modules.json', '1_Pooling')
    await expect(run()).rejects.toMatchObject({
      code: 'invalid_request',
      param: 'pooling',
      message: expect.stringMatching(
        /model: nothing in it says how .* \(it has no modules\.json\): pass pooling mean\|cls\|max; mean is the usual one/,
      ),
    })
    const answered = await run({ pooling: 'cls' })
    expect(answered.family).toBe(stated.family)
    expect(answered.notes).toEqual([])
  })

  it('says it by its 1_Pooling, also where modules.json is lost', async () => {
    const stated = await run()
    remove('modules.json')
    expect(await run()).toMatchObject({ pooling: 'cls', family: stated.family })
  })

  it('is not asked about where name and configuration are those of a published model', async () => {
    publishedAs('BAAI/bge-small-en-v1.5', 12)
    const { pooling, maxTokens, notes } = await run()
    expect({ pooling, maxTokens }).toEqual({ pooling: 'cls', maxTokens: 512 })
    expect(notes).toEqual([
      'cls pooling is that of BAAI/bge-small-en-v1.5: the name in its _name_or_path is bge-small-en-v1.5, and its configuration fits',
      '512 tokens is the length of BAAI/bge-small-en-v1.5',
      'BAAI/bge-small-en-v1.5 is published with prompts, and the folder declares none; to have them, pass prompt "query=Represent this sentence for searching relevant passages: "',
    ])
  })

  it('is asked about where only the name is, which says what is likely', async () => {
    publishedAs('BAAI/bge-small-en-v1.5', 6)
    await expect(run()).rejects.toThrow(
      /pass pooling mean\|cls\|max; cls is likely, as the name in its _name_or_path is bge-small-en-v1\.5 and BAAI/,
    )
    const { pooling, notes } = await run({ pooling: 'mean' })
    expect({ pooling, notes }).toEqual({ pooling: 'mean', notes: [] })
  })

  it('is recognised by its own name and by that of a cache of Hugging Face', async () => {
    publishedAs('somebody/else', 12)
    for (const path of ['e5-small-v2', 'models--intfloat--e5-small-v2/snapshots/abc']) {
      const named = join(work, path)
      cpSync(folder, named, { recursive: true })
      const { pooling, notes } = await run({ folder: named })
      expect(pooling).toBe('mean')
      expect(notes.at(-1)).toMatch(/pass prompt "query=query: " prompt "passage=passage: "$/)
    }
  })

  it('leaves modules alone that nothing puts in order', async () => {
    renameSync(join(folder, '1_Pooling'), join(folder, '2_Dense'))
    remove('modules.json')
    await expect(run({ pooling: 'mean' })).rejects.toThrow(/has 2_Dense, but no modules\.json/)
  })
})

describe('a folder of a model with an output layer', () => {
  it.each<[string, Json]>([
    ['BertForSequenceClassification', { id2label: { 0: 'bad', 1: 'fair', 2: 'good' } }],
    ['BertForTokenClassification', {}],
    ['BertForQuestionAnswering', {}],
  ])('%s is no encoder, whatever modules.json says', async (name, changes) => {
    edit('config.json', { architectures: [name], ...changes })
    const labels = changes.id2label ? ', 3 labels: bad, fair, good' : ''
    await expect(run()).rejects.toMatchObject({
      code: 'invalid_request',
      param: 'headless',
      message: expect.stringContaining(
        `is a classifier (${name}${labels}), no encoder: its output layer would be left out`,
      ),
    })
    expect((await run({ headless: true })).pooling).toBe('cls')
  })

  it.each(['BertForMaskedLM', 'BertForPreTraining', 'BertLMHeadModel'])(
    '%s is no encoder, unless modules.json makes it one',
    async (name) => {
      edit('config.json', { architectures: [name] })
      const { family } = await run()
      remove('modules.json')
      await expect(run()).rejects.toThrow(`is a language model (${name}), no encoder`)
      expect((await run({ headless: true })).family).toBe(family)
    },
  )

  it('is told by its tensors and its labels where no class is named', async () => {
    const { architectures: _, ...rest } = JSON.parse(
      readFileSync(join(folder, 'config.json'), 'utf8'),
    )
    const config = (more: Json) =>
      writeFileSync(join(folder, 'config.json'), JSON.stringify({ ...rest, ...more }))
    config({})
    await run()
    config({ id2label: { 0: 'LABEL_0', 1: 'LABEL_1' } })
    await run()
    config({ id2label: { 0: 'spam', 1: 'ham' } })
    await expect(run()).rejects.toThrow('is a classifier (id2label, 2 labels: spam, ham)')
    config({})
    await addTensor('classifier.weight')
    await expect(run()).rejects.toThrow('is a classifier (tensor classifier.weight)')
  })

  it('is asked about everything in one line', async () => {
    edit('config.json', { architectures: ['BertForSequenceClassification'] })
    remove('modules.json', '1_Pooling')
    await expect(run()).rejects.toThrow(
      /pass headless to take .*; nothing in it says how .* pass pooling/,
    )
  })
})

async function addTensor(name: string): Promise<void> {
  const file = await openSafetensors(join(folder, 'model.safetensors'))
  const tensors = file.names.map((each) => ({
    name: each,
    ...file.describe(each),
    read: () => file.readBytes(each),
  }))
  const extra = { name, type: 'F32', shape: [3], bytes: 12, read: async () => new Uint8Array(12) }
  await writeSafetensors(join(folder, 'more'), [...tensors, extra])
  await file.close()
  renameSync(join(folder, 'more'), join(folder, 'model.safetensors'))
}

describe('prompts that are given', () => {
  it('stand beside those of the folder and win over them', async () => {
    const { prompts, family } = await run({ prompts: { query: 'q: ', passage: 'p: ' } })
    expect(prompts).toEqual({ query: 'q: ', document: '', passage: 'p: ' })
    expect(family).not.toBe((await run()).family)
  })
})

describe('the doors', () => {
  const boot = () => ({
    ...createFakeBoot(),
    exportEncoder: (options: ExportEncoderOptions): Promise<EncoderManifest> =>
      exportEncoder(options),
  })
  const exported = (...options: string[]) => {
    const output = join(work, `out-${outputs++}`)
    const argv = ['export', folder, '-o', output, '--precision', 'float32', ...options]
    return runCommand(argv, { boot: boot() })
  }

  it('ask on the command line with code 2 and one line, in options', async () => {
    remove('modules.json', '1_Pooling')
    const { code, stdout, stderr } = await exported()
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' })
    expect(stderr).toMatch(/^espalier: .*pass --pooling mean\|cls\|max; [^\n]*\n$/)
    const answered = await exported('--pooling', 'cls', '--prompt', 'passage=p: ', '--json')
    expect(JSON.parse(answered.stdout)).toMatchObject({
      pooling: 'cls',
      prompts: { query: 'find the word: ', passage: 'p: ' },
    })
    expect(answered.code).toBe(0)
    expect((await exported('--prompt', 'nothing')).code).toBe(2)
  })

  it('note on the command line what was taken from elsewhere', async () => {
    publishedAs('BAAI/bge-small-en-v1.5', 12)
    const { code, stderr } = await exported()
    expect(code).toBe(0)
    expect(stderr).toContain('note: cls pooling is that of BAAI/bge-small-en-v1.5')
    expect(stderr).toContain('pass --prompt "query=Represent this sentence')
  })

  const artifacts = {
    builtinFolder: place('infra/models'),
    calibrationTexts: place('infra/calibration/texts.txt'),
    cacheFolder: join(work, 'cache'),
    threads: 1,
  }
  const wanted = { encoder: folder, precision: 'float32' } as const

  it('ask for settings where a process has no options', async () => {
    remove('modules.json', '1_Pooling')
    await expect(prepareArtifact(artifacts, wanted)).rejects.toMatchObject({
      code: 'invalid_config',
      param: 'ESPALIER_ENCODER_POOLING',
      message: expect.stringContaining('set ESPALIER_ENCODER_POOLING to mean|cls|max'),
    })
    const answered = { ...artifacts, answers: { pooling: 'cls' } as const }
    const first = await prepareArtifact(answered, wanted)
    expect(first.manifest).toMatchObject({ pooling: 'cls' })
    const other = { ...artifacts, answers: { pooling: 'max' } as const }
    expect((await prepareArtifact(other, wanted)).folder).not.toBe(first.folder)
  })

  it('ask before an encoder is fine-tuned, which then starts from a folder that says all', async () => {
    const stated = await run()
    edit('config.json', { architectures: ['BertForSequenceClassification'] })
    remove('modules.json', '1_Pooling')
    await addTensor('classifier.weight')
    const registry = openRegistry(openMemoryStore())
    const deps = { builtinFolder: artifacts.builtinFolder, registry }
    await expect(findBaseFolder(deps, folder)).rejects.toMatchObject({
      code: 'invalid_config',
      message: expect.stringMatching(
        /set ESPALIER_ENCODER_HEADLESS to 1 .*ESPALIER_ENCODER_POOLING/,
      ),
    })
    const answers = { pooling: 'cls', headless: true } as const
    const base = await findBaseFolder({ ...deps, answers }, folder)
    if (base.modality !== 'text') throw new Error('no encoder of texts')
    const plain = await base.prepare(join(work, 'plain'))
    // normalize: a folder without modules.json is normalised.
    expect(await run({ folder: plain })).toMatchObject({
      pooling: 'cls',
      maxTokens: base.maxTokens,
    })
    expect(stated.normalize).toBe(true)
    expect((await run({ folder: plain })).family).toBe(stated.family)
  })
})
