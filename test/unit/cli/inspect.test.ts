import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeEach, describe, expect, it } from 'vitest'
import { createBoot } from '../../../functions/boot/boot.ts'
import { writeTinyTextGraph } from '../../fakes/tiny-text-graph.ts'
import { runCommand } from './run.ts'

const root = new URL('../../../', import.meta.url)
const checkpoints = fileURLToPath(new URL('test/golden/checkpoints/', root))
const work = mkdtempSync(join(tmpdir(), 'espalier-inspect-'))
const folder = join(work, 'model')
afterAll(() => rmSync(work, { recursive: true, force: true }))
beforeEach(() => use('bert-mean'))

const use = (name: string) => {
  rmSync(folder, { recursive: true, force: true })
  cpSync(join(checkpoints, name), folder, { recursive: true })
}
const remove = (...files: string[]) => {
  for (const file of files) rmSync(join(folder, file), { recursive: true })
}
function edit(file: string, changes: object): void {
  const path = join(folder, file)
  writeFileSync(path, JSON.stringify({ ...JSON.parse(readFileSync(path, 'utf8')), ...changes }))
}

const env = { ESPALIER_CACHE: join(work, 'cache'), ESPALIER_LOG_LEVEL: 'silent' }
const boot = createBoot({ env, root, version: '0.0.0' })
const run = (...argv: string[]) => runCommand(argv, { boot })
const inspect = (...argv: string[]) => run('inspect', folder, ...argv)
async function inspectJson(...argv: string[]) {
  const { code, stdout } = await inspect('--json', ...argv)
  return { code, ...JSON.parse(stdout) }
}

let outputs = 0
/** Whether an export goes through, and the encoder that it makes. */
async function exported(...argv: string[]) {
  const output = join(work, `out-${outputs++}`)
  const { code, stdout } = await run(
    ...['export', folder, '--output', output, '--precision', 'float32', '--json', '-q'],
    ...argv,
  )
  return code === 0 ? JSON.parse(stdout) : null
}

describe('inspect', () => {
  it.each(readdirSync(checkpoints))('says of %s what an export makes of it', async (name) => {
    use(name)
    const before = readdirSync(folder)
    const answers = name === 'bert-plain' ? ['--headless', '--pooling', 'mean'] : []
    const found = await inspectJson(...answers)
    const manifest = await exported(...answers)
    expect(found).toMatchObject({ code: 0, exports: true, questions: [], faults: [] })
    const { dimension, maxTokens, pooling } = manifest
    expect(found.encoder).toMatchObject({ name: 'model', dimension, maxTokens, pooling })
    expect(found.network.architecture).toBe(manifest.architecture)
    expect(found.prompts).toEqual(manifest.prompts)
    expect(found.normalize).toBe(manifest.normalize)
    expect(readdirSync(folder)).toEqual(before)
  })

  it('shows shape, weights, tokenizer and outcome to people', async () => {
    const { code, stdout, stderr } = await inspect()
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
    const { num_hidden_layers: layers, hidden_size: hidden } = JSON.parse(
      readFileSync(join(folder, 'config.json'), 'utf8'),
    )
    expect(stdout).toContain(`bert, layers ${layers}, hidden ${hidden}, heads `)
    expect(stdout).toMatch(/weights +model\.safetensors: \d+ parameters, F32\n/)
    expect(stdout).toMatch(/tokenizer +tokenizer\.json: WordPiece, 237 pieces\n/)
    expect(stdout).toMatch(/\nexport: model, \d+ dimensions, 48 tokens, mean pooling, in float32, /)
  })

  it('names all that is open with what answers it, and takes the answers', async () => {
    remove('modules.json', '1_Pooling', 'sentence_bert_config.json')
    edit('config.json', { architectures: ['BertForMaskedLM'] })
    const { code, stdout } = await inspect()
    expect(code).toBe(2)
    expect(stdout).toMatch(/open: .*pass --pooling mean\|cls\|max/)
    expect(stdout).toMatch(/open: is a language model .*pass --headless/)
    expect(await exported()).toBeNull()
    const answers = ['--pooling', 'cls', '--headless', '--prompt', 'query=q: ']
    expect(await inspectJson(...answers)).toMatchObject({
      code: 0,
      encoder: { pooling: 'cls' },
      prompts: { query: 'q: ' },
    })
    expect(await exported(...answers)).toMatchObject({ pooling: 'cls', prompts: { query: 'q: ' } })
  })

  it('lists ONNX files of other names, and says of each what it is', async () => {
    remove('model.safetensors')
    writeTinyTextGraph(folder, 'onnx/model_quantized.onnx', { dynamic: true })
    writeTinyTextGraph(folder, 'onnx/model_fp16.onnx', { type: 'float16' })
    writeTinyTextGraph(folder, 'onnx/model_O4.onnx', { outputs: ['sentence_embedding'] })
    const { code, onnxFiles, faults } = await inspectJson()
    expect(code).toBe(2)
    expect(onnxFiles).toMatchObject([
      { file: 'onnx/model_O4.onnx', precision: 'float32', outputs: ['sentence_embedding'] },
      { file: 'onnx/model_fp16.onnx', inputs: ['input_ids', 'attention_mask'] },
      { file: 'onnx/model_quantized.onnx', precision: 'int8', isDynamic: true },
    ])
    expect(faults).toMatchObject([{ message: expect.stringContaining('pass --onnx FILE') }])
    const named = ['--onnx', 'onnx/model_O4.onnx']
    expect(await inspectJson(...named)).toMatchObject({
      code: 0,
      network: { kind: 'onnx', file: 'onnx/model_O4.onnx', parameters: 237 * 6 },
      encoder: { dimension: 6, pooling: 'none', precisions: ['float32'] },
    })
  })

  it('asks about a graph what its export asks', async () => {
    remove('model.safetensors')
    writeTinyTextGraph(folder, 'onnx/model.onnx', { dynamic: true })
    expect(await inspectJson()).toMatchObject({
      code: 2,
      encoder: null,
      questions: [{ about: 'onnx', message: expect.stringContaining('quantised dynamically') }],
    })
    writeTinyTextGraph(folder, 'onnx/model.onnx', { outputs: ['last_hidden_state', 'logits'] })
    expect(await inspectJson()).toMatchObject({ code: 2, questions: [{ about: 'headless' }] })
  })

  it('says all that a folder is refused for', async () => {
    edit('config.json', { model_type: 'nothing-known' })
    writeFileSync(join(folder, 'tokenizer.json'), '{')
    const { code, faults, network } = await inspectJson()
    expect({ code, network }).toEqual({ code: 2, network: null })
    expect(faults.map(({ code: each }: { code: string }) => each)).toEqual([
      'unsupported_model',
      'invalid_model_file',
    ])
    const { stdout } = await inspect()
    expect(stdout.match(/^refused: /gm)).toHaveLength(2)
  })

  it('finds weights that contradict the configuration', async () => {
    edit('config.json', { hidden_size: 64 })
    expect(await inspectJson()).toMatchObject({
      code: 2,
      faults: [{ code: 'invalid_model_file', message: expect.stringContaining('is [237, 32]') }],
    })
    expect(await exported()).toBeNull()
  })

  it.each(['bert-sentiment', 'distilbert-topics', 'roberta-plain'])(
    'says of the classifier %s which labels an export takes along',
    async (name) => {
      rmSync(folder, { recursive: true })
      cpSync(join(checkpoints, '../classifiers', name), folder, { recursive: true })
      const { code, encoder, classifier } = await inspectJson()
      const manifest = await exported()
      expect(code).toBe(0)
      expect(encoder).toMatchObject({ dimension: manifest.dimension, pooling: manifest.pooling })
      const { source, labels, multiLabel } = manifest.classifier
      expect(classifier).toEqual({ source, labels, multiLabel })
      expect((await inspect()).stdout).toContain(`${labels.length} labels: ${labels[0]}`)
      const headless = await inspectJson('--headless', '--pooling', 'mean')
      expect(headless).toMatchObject({ code: 0, classifier: null, encoder: { pooling: 'mean' } })
      edit('config.json', { id2label: { 0: 'one', 1: 'two', 2: 'three', 3: 'four', 4: 'five' } })
      expect(await inspectJson()).toMatchObject({ code: 2, encoder: null })
      expect(await exported()).toBeNull()
    },
  )

  it('says of an image network where it is cut, and why it is refused', async () => {
    const images = fileURLToPath(new URL('infra/models/', root))
    const name = readdirSync(images).find((each) => !each.startsWith('all-')) ?? ''
    const { code, stdout } = await run('inspect', join(images, name), '--json')
    expect(code).toBe(0)
    expect(JSON.parse(stdout)).toMatchObject({ modality: 'image', exports: true })
    const bad = join(work, 'image')
    cpSync(join(images, name), bad, { recursive: true })
    writeFileSync(join(bad, 'model.onnx'), 'nothing')
    const refused = await run('inspect', bad)
    expect(refused.code).toBe(2)
    expect(refused.stdout).toMatch(/which an export refuses\nrefused: /)
  })

  it('fails where there is no folder', async () => {
    expect(await run('inspect', join(work, 'nowhere'))).toMatchObject({
      code: 1,
      stdout: '',
      stderr: expect.stringContaining('no such folder'),
    })
  })
})
