import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import { readSourceFolder } from '../../../shared/exporter/source/source-folder.ts'
import { loadWeights } from '../../../shared/exporter/source/weights.ts'
import { fineTune } from '../../../shared/finetune/fine-tune.ts'
import type {
  FineTuneProgress,
  FineTuneRequest,
  FineTuneResult,
  Loss,
  Trainable,
} from '../../../shared/finetune/types.ts'
import { bundleWorker } from '../../worker-bundle.ts'
import { checkpoint, toyRows, toySettings } from './toy-task.ts'

const workerUrl = await bundleWorker('shared/finetune/worker.ts')
const work = mkdtempSync(join(tmpdir(), 'espalier-finetune-test-'))
afterAll(() => rmSync(work, { recursive: true, force: true }))
let count = 0

const train = toyRows(120, 1)
const validation = toyRows(45, 2)

function run(part: Partial<FineTuneRequest> = {}): Promise<FineTuneResult & { folder: string }> {
  const folder = join(work, `out-${count++}`)
  const request: FineTuneRequest = {
    baseFolder: checkpoint('bert-mean'),
    outputFolder: folder,
    train,
    validation,
    settings: toySettings(),
    ...part,
  }
  return fineTune({ workerUrl }, request).then((result) => ({ ...result, folder }))
}

async function digestOf(folder: string): Promise<string> {
  const { network, sentence } = await readSourceFolder(folder, { name: 'x' })
  if (network.kind !== 'weights') throw new Error('no weights')
  return (await loadWeights(folder, network.config, sentence.dense)).digest
}

/** Whole: what was trained is what is written, not a mean with the base. */
const WHOLE = 1

describe('an architecture of its own', () => {
  test.each<[string, Trainable]>([
    ['mpnet', { kind: 'all' }],
    ['modernbert', { kind: 'layers', count: 1 }],
    ['nomic_bert', { kind: 'all' }],
  ])('learns and is written as it was trained: %s, %o', async (name, trainable) => {
    const baseFolder = checkpoint(`../architectures/${name}`)
    const settings = toySettings({ trainable, epochs: 2, alpha: WHOLE })
    const result = await run({ baseFolder, settings })
    expect(last(result)?.validationLoss).toBeLessThan(result.curve[0]?.validationLoss as number)
    expect(await digestOf(result.folder)).not.toBe(await digestOf(baseFolder))
    const again = await run({ baseFolder: result.folder, settings })
    const [first] = again.curve
    expect(first?.validationLoss).toBeLessThan(result.curve[0]?.validationLoss as number)
  })
})

function last({ curve }: FineTuneResult) {
  return curve.at(-1)
}

describe('learns', () => {
  const all: Trainable = { kind: 'all' }
  const crossEntropy: Loss = { kind: 'cross-entropy', smoothing: 0.05 }
  test.each<[string, string, Trainable, Loss]>([
    ['bert-mean', 'all layers', all, crossEntropy],
    ['bert-mean', 'the last layer, on cached states', { kind: 'layers', count: 1 }, crossEntropy],
    ['bert-mean', 'by cosines', all, { kind: 'cosine-softmax', scale: 20 }],
    ['bert-mean', 'by pairs', all, { kind: 'contrastive' }],
    ['distilbert-cls', 'all layers', all, crossEntropy],
    ['roberta-max-dense', 'all layers', all, crossEntropy],
  ])('%s, %s, %s', async (base, _what, trainable, loss) => {
    const progress: FineTuneProgress[] = []
    const result = await run({
      baseFolder: checkpoint(base),
      settings: toySettings({ trainable, loss }),
      onProgress: (p) => progress.push(p),
    })
    expect(result).toMatchObject({ stopped: 'finished', steps: 64, epochs: 8 })
    expect(last(result)?.validationAccuracy).toBeGreaterThan(0.9)
    expect(last(result)?.validationLoss).toBeLessThan(result.curve[0]?.validationLoss as number)
    expect(await digestOf(result.folder)).not.toBe(await digestOf(checkpoint(base)))
    expect(result.head.bias).toHaveLength(3)
    expect(result.head.weight.every(Number.isFinite)).toBe(true)
    expect(new Set(progress.map(({ phase }) => phase))).toEqual(
      new Set([
        'reading',
        ...(trainable.kind === 'layers' ? ['caching'] : []),
        'training',
        'evaluating',
        'judging',
        'writing',
      ]),
    )
  })

  test('several labels a row', async () => {
    const result = await run({
      train: toyRows(160, 3, true),
      validation: toyRows(45, 4, true),
      settings: toySettings({ loss: { kind: 'binary-cross-entropy' }, epochs: 12 }),
    })
    expect(last(result)?.validationAccuracy).toBeGreaterThan(0.8)
  })

  test('the output layer alone, and leaves the encoder as it was', async () => {
    const settings = toySettings({ trainable: { kind: 'head' }, headLearningRate: 0.05 })
    const result = await run({ settings })
    expect(last(result)?.validationLoss).toBeLessThan(result.curve[0]?.validationLoss as number)
    expect(await digestOf(result.folder)).toBe(await digestOf(checkpoint('bert-mean')))
  })

  test('from random weights, without validation rows', async () => {
    const result = await run({
      initialisation: 'random',
      validation: toyRows(0, 0),
      settings: toySettings({ learningRate: 1e-2 }),
    })
    expect(result).toMatchObject({ stopped: 'finished', bestStep: 64 })
    expect(last(result)?.trainLoss).toBeLessThan(0.3)
  })
})

test('the same request gives the same bytes, another seed does not', async () => {
  const weights = async (seed: number, threads: number) => {
    const { folder } = await run({ settings: toySettings({ epochs: 2, seed, threads }) })
    return readFileSync(join(folder, 'model.safetensors')).toString('base64')
  }
  const first = await weights(5, 2)
  expect(await weights(5, 2)).toBe(first)
  expect(await weights(6, 2)).not.toBe(first)
})

test('no step leaves the encoder as it was', async () => {
  const result = await run({ settings: toySettings({ epochs: 0 }) })
  expect(result).toMatchObject({ stopped: 'finished', steps: 0, bestStep: 0 })
  expect(await digestOf(result.folder)).toBe(await digestOf(checkpoint('bert-mean')))
})

describe('interpolation of base and tuned weights', () => {
  const weightsOf = async (folder: string) => {
    const { network, sentence } = await readSourceFolder(folder, { name: 'x' })
    if (network.kind !== 'weights') throw new Error('no weights')
    const { layers } = await loadWeights(folder, network.config, sentence.dense)
    return layers.flatMap(({ qkv, outputNorm }) => [...qkv.weight, ...outputNorm.gamma])
  }

  test('is taken as given, halfway to the bit', async () => {
    const given = (alpha: number) => run({ settings: toySettings({ epochs: 2, alpha }) })
    const [half, whole] = [await given(0.5), await given(1)]
    expect(half.blend).toEqual({
      ...{ alpha: 0.5, basis: 'given', rows: 0, scores: [], cooling: 1 },
      widening: null,
    })
    const base = await weightsOf(checkpoint('bert-mean'))
    const tuned = await weightsOf(whole.folder)
    const middle = base.map((value, i) => Math.fround((value + (tuned[i] as number)) / 2))
    expect(await weightsOf(half.folder)).toEqual(middle)
    expect(tuned).not.toEqual(base)
  })

  test('is chosen on the validation rows, the base among the choices', async () => {
    const { blend } = await run()
    expect(blend).toMatchObject({ basis: 'validation', rows: 45 })
    expect(blend.scores.map(({ alpha }) => alpha)).toEqual([0, 0.25, 0.5, 0.75, 1])
    expect(blend.scores[0]).toMatchObject({ gain: 0, error: 0 })
    const best = Math.max(...blend.scores.map(({ accuracy }) => accuracy))
    expect(blend.scores.find(({ accuracy }) => accuracy === best)?.alpha).toBe(blend.alpha)
  })

  const few = { train: toyRows(60, 1), validation: toyRows(0, 0) }

  test('is chosen by cross-validation where there are none, and changes no step of the training', async () => {
    const progress: FineTuneProgress[] = []
    const settings = toySettings({ folds: 3 })
    // Of a random encoder's first state alone, a classifier reads little.
    const task = { ...few, baseFolder: checkpoint('bert-cls-f16') }
    const onProgress = (p: FineTuneProgress) => progress.push(p)
    const chosen = await run({ ...task, settings, onProgress })
    expect(chosen.blend).toMatchObject({ basis: 'cross-validation', rows: 60 })
    // Held-out rows lie farther from the means than those that the encoder has learnt.
    expect(chosen.blend.widening).toBeGreaterThan(0)
    expect(progress.map(({ phase }) => phase)).toContain('rehearsing')
    const { alpha } = chosen.blend
    expect(alpha).toBeGreaterThan(0)
    const given = await run({ ...task, settings: { ...settings, alpha } })
    expect(await digestOf(chosen.folder)).toBe(await digestOf(given.folder))
  })

  test('is the base where training teaches nothing', async () => {
    const settings = toySettings({ folds: 3, learningRate: 1e-9 })
    const result = await run({ ...few, settings })
    expect(result.blend.alpha).toBe(0)
    expect(await digestOf(result.folder)).toBe(await digestOf(checkpoint('bert-mean')))
  })

  test('evaluates no alpha where Ctrl-C ends the first fold', async () => {
    const controller = new AbortController()
    const result = await run({
      ...few,
      settings: toySettings({ folds: 2, epochs: 30 }),
      signal: controller.signal,
      onProgress: ({ phase }) => phase === 'rehearsing' && controller.abort(),
    })
    expect(result).toMatchObject({ stopped: 'cancelled', steps: 120 })
    expect(result.blend).toMatchObject({ alpha: 1, basis: 'none' })
    expect(await digestOf(result.folder)).not.toBe(await digestOf(checkpoint('bert-mean')))
  })
})

test('long texts are cut and counted', async () => {
  const long = {
    ...train,
    texts: train.texts.map((text, i) => (i < 7 ? `${text} `.repeat(40) : text)),
  }
  const result = await run({ train: long, settings: toySettings({ epochs: 0.2, maxTokens: 20 }) })
  expect(result.truncated).toEqual({ train: 7, validation: 0 })
})

describe('ends early', () => {
  test('a signal keeps what has been learnt', async () => {
    const controller = new AbortController()
    const result = await run({
      settings: toySettings({ epochs: 1000, alpha: 1 }),
      signal: controller.signal,
      onProgress: ({ step }) => step >= 20 && controller.abort(),
    })
    expect(result.stopped).toBe('cancelled')
    expect(result.steps).toBeGreaterThanOrEqual(20)
    expect(result.bestStep).toBeGreaterThan(0)
    expect(await digestOf(result.folder)).not.toBe(await digestOf(checkpoint('bert-mean')))
  })

  test('a signal before the first step leaves nothing', async () => {
    await expect(run({ signal: AbortSignal.abort() })).rejects.toMatchObject({
      code: 'request_cancelled',
      message: 'fine-tuning was cancelled before its first step',
    })
    expect(readdirSync(work)).not.toContain(`out-${count - 1}`)
  })

  test('a learning rate that diverges is noticed, and the last good weights are kept', async () => {
    const result = await run({ settings: toySettings({ learningRate: 1e6, warmup: 0 }) })
    expect(result.stopped).toBe('diverged')
    expect(result.bestStep).toBe(0)
    expect(await digestOf(result.folder)).toBe(await digestOf(checkpoint('bert-mean')))
  })

  test('a budget ends a schedule that would take hours', async () => {
    const result = await run({ settings: toySettings({ epochs: 1000, budgetMs: 1500 }) })
    expect(result.stopped).toBe('budget')
    expect(result.steps).toBeGreaterThan(5)
    expect(last(result)?.learningRate).toBe(0)
  })
})

describe('refuses', () => {
  test('more memory than it may take', async () => {
    await expect(run({ settings: toySettings({ maxMemoryBytes: 1e6 }) })).rejects.toMatchObject({
      code: 'invalid_request',
      message: expect.stringMatching(
        /^fine-tuning needs about \d+ MB \(.*\) and may take 1 MB: use a smaller batch than 16, /,
      ),
    })
  })

  test('a foreign graph, and names the alternative', async () => {
    const base = checkpoint('onnx-mean')
    await expect(run({ baseFolder: base })).rejects.toMatchObject({
      code: 'unsupported_model',
      message: `${base}: an ONNX graph without model.safetensors cannot be fine-tuned; train a head on it as it is, or give a folder with its weights`,
    })
  })

  test('a folder that is none, or exists where weights are to go', async () => {
    await expect(run({ baseFolder: '/nowhere' })).rejects.toMatchObject({
      code: 'invalid_model_file',
      message: '/nowhere: no such folder',
    })
    const exists = run({ outputFolder: work, settings: toySettings({ epochs: 1000 }) })
    await expect(exists).rejects.toMatchObject({
      code: 'invalid_request',
      message: `${work} exists already; name another folder or remove it first`,
    })
  })

  test('more layers than there are, and rows that cannot be learnt from', async () => {
    await expect(
      run({ settings: toySettings({ trainable: { kind: 'layers', count: 9 } }) }),
    ).rejects.toMatchObject({ message: expect.stringContaining('layers to train 9') })
    await expect(run({ train: toyRows(3, 1) })).rejects.toMatchObject({
      code: 'invalid_data',
      message: 'train has 3 rows; 3 classes need at least 5',
    })
  })
})
