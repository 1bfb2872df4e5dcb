import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { exportImageEncoder } from '../../../shared/exporter/export-image-encoder.ts'
import { fineTune } from '../../../shared/finetune/fine-tune.ts'
import type {
  FineTuneProgress,
  FineTuneRequest,
  FineTuneResult,
  Loss,
  Trainable,
} from '../../../shared/finetune/types.ts'
import { writeTinyImageFolder } from '../../fakes/tiny-image-network.ts'
import { bundleWorker } from '../../worker-bundle.ts'
import { drawTints, type ImageTask } from './image-task.ts'
import { toySettings } from './toy-task.ts'

const workerUrl = await bundleWorker('shared/finetune/worker.ts')
const work = mkdtempSync(join(tmpdir(), 'espalier-finetune-images-'))
afterAll(() => rmSync(work, { recursive: true, force: true }))
const baseFolder = join(work, 'tiny')
let count = 0
let train: ImageTask
let validation: ImageTask
const block: Trainable = { kind: 'layers', count: 1 }

beforeAll(async () => {
  await writeTinyImageFolder(baseFolder)
  train = await drawTints(96, 1)
  validation = await drawTints(40, 2)
})

function run(part: Partial<FineTuneRequest> = {}): Promise<FineTuneResult & { folder: string }> {
  const folder = join(work, `out-${count++}`)
  const request: FineTuneRequest = {
    baseFolder,
    outputFolder: folder,
    train: train.rows,
    validation: validation.rows,
    settings: toySettings({ trainable: block, epochs: 20, learningRate: 0.02 }),
    loadImage: async (set, row) => (set === 'train' ? train : validation).files[row] as Uint8Array,
    ...part,
  }
  return fineTune({ workerUrl }, request).then((result) => ({ ...result, folder }))
}

/** What a network's folder gives, whatever its weights are stored as. */
async function familyOf(folder: string): Promise<string> {
  const output = join(work, `export-${count++}`)
  return (await exportImageEncoder({ folder, output, name: 'tiny' })).family
}

describe('learns', () => {
  test.each<[string, Trainable, Loss]>([
    ['a block', block, { kind: 'cross-entropy', smoothing: 0 }],
    ['above a layer', { kind: 'above', layer: 'relu' }, { kind: 'cosine-softmax', scale: 10 }],
    ['by pairs', block, { kind: 'contrastive' }],
  ])('%s, on features that were computed once', async (_, trainable, loss) => {
    const progress: FineTuneProgress[] = []
    const result = await run({
      settings: toySettings({ trainable, loss, epochs: 20, learningRate: 0.02, alpha: 1 }),
      onProgress: (p) => progress.push(p),
    })
    const last = result.curve.at(-1)
    expect(result).toMatchObject({ stopped: 'finished', steps: 120 })
    expect(last?.validationAccuracy).toBeGreaterThan(0.9)
    expect(last?.validationLoss).toBeLessThan(result.curve[0]?.validationLoss as number)
    expect(result.head.weight).toHaveLength(2 * 4)
    expect(await familyOf(result.folder)).not.toBe(await familyOf(baseFolder))
    const phases = progress.map(({ phase }) => phase)
    expect(new Set(phases)).toEqual(
      new Set(['reading', 'caching', 'training', 'evaluating', 'writing']),
    )
  })

  test('the output layer alone, and leaves the network as it was', async () => {
    const settings = toySettings({ trainable: { kind: 'head' }, headLearningRate: 0.05 })
    const result = await run({ settings })
    expect(result.curve.at(-1)?.trainLoss).toBeLessThan(result.curve[1]?.trainLoss as number)
    expect(await familyOf(result.folder)).toBe(await familyOf(baseFolder))
  })
})

test('mirror images double the images of an epoch', async () => {
  const settings = toySettings({ trainable: block, epochs: 1, flip: true })
  expect(await run({ settings })).toMatchObject({ stopped: 'finished', steps: 12 })
})

test('the same request gives the same bytes, another seed does not', async () => {
  const weights = async (seed: number) => {
    const settings = toySettings({ trainable: block, epochs: 2, alpha: 1, seed })
    const { folder } = await run({ settings })
    return readdirSync(folder).map((name) => readFileSync(join(folder, name)).toString('base64'))
  }
  const first = await weights(5)
  expect(await weights(5)).toEqual(first)
  expect(await weights(6)).not.toEqual(first)
})

test('no step leaves the network as it was, and another training starts from its folder', async () => {
  const result = await run({ settings: toySettings({ trainable: block, epochs: 0 }) })
  expect(result).toMatchObject({ stopped: 'finished', steps: 0, bestStep: 0 })
  expect(readdirSync(result.folder).sort()).toEqual(['espalier.json', 'model.onnx'])
  expect(await familyOf(result.folder)).toBe(await familyOf(baseFolder))
  const again = await run({
    baseFolder: result.folder,
    settings: toySettings({ trainable: block, epochs: 1 }),
  })
  expect(again.steps).toBe(6)
})

test('a signal keeps what has been learnt, also where rows are images', async () => {
  const controller = new AbortController()
  const result = await run({
    settings: toySettings({ trainable: block, epochs: 1000 }),
    signal: controller.signal,
    onProgress: ({ step, phase }) => phase === 'training' && step >= 20 && controller.abort(),
  })
  expect(result.stopped).toBe('cancelled')
  expect(result.bestStep).toBeGreaterThan(0)
})

test('a learning rate that diverges is noticed, and the base is kept', async () => {
  const settings = toySettings({
    ...{ trainable: block, learningRate: 1e6, headLearningRate: 1e6, warmup: 0 },
  })
  const result = await run({ settings })
  expect(result).toMatchObject({ stopped: 'diverged', bestStep: 0 })
  expect(await familyOf(result.folder)).toBe(await familyOf(baseFolder))
})

describe('refuses', () => {
  test('more memory than it may take, features and all', async () => {
    const settings = toySettings({ trainable: block, maxMemoryBytes: 1e6 })
    await expect(run({ settings })).rejects.toMatchObject({
      code: 'invalid_request',
      message: expect.stringMatching(
        /^fine-tuning needs about \d+ MB \(.*\) and may take 1 MB: use a smaller batch than 16 or fewer layers to train/,
      ),
    })
  })

  test.each<[string, Trainable, string]>([
    [
      'more blocks than there are',
      { kind: 'layers', count: 2 },
      'layers 2: 1 blocks of this network can be trained',
    ],
    [
      'a layer that is not there',
      { kind: 'above', layer: 'nowhere' },
      'from-layer nowhere: no layer with weights between it and features; the last are relu',
    ],
    [
      'all of it',
      { kind: 'all' },
      'all layers of an image network are not trained: name how many blocks are, or the layer below them',
    ],
  ])('%s', async (_, trainable, message) => {
    await expect(run({ settings: toySettings({ trainable }) })).rejects.toMatchObject({
      code: 'invalid_request',
      message,
    })
  })

  test('an image that cannot be read, by its name', async () => {
    const files = { train: train.files.with(7, Buffer.from('no image')), validation: [] }
    const loadImage = async (set: 'train' | 'validation', row: number) =>
      files[set][row] as Uint8Array
    await expect(run({ loadImage })).rejects.toMatchObject({
      code: 'unsupported_image',
      message: expect.stringMatching(/^tints\/7\.png is no image that is known here/),
    })
    const gone = async () => Promise.reject(new Error('gone'))
    await expect(run({ loadImage: gone })).rejects.toMatchObject({ message: 'gone' })
  })

  test('random weights', async () => {
    await expect(run({ initialisation: 'random' })).rejects.toMatchObject({
      message: 'image networks are trained from their own weights, not from random ones',
    })
  })
})
