import { describe, expect, test } from 'vitest'
import { checkRequest } from '../../../shared/finetune/check-request.ts'
import { defaultSettings } from '../../../shared/finetune/default-settings.ts'
import type {
  FineTuneRequest,
  FineTuneSettings,
  LabelledTexts,
  Loss,
} from '../../../shared/finetune/types.ts'

const crossEntropy: Loss = { kind: 'cross-entropy', smoothing: 0 }

function rows(labels: readonly (readonly number[])[], classes = 2): LabelledTexts {
  const targets = new Float32Array(labels.length * classes)
  for (const [row, set] of labels.entries()) for (const c of set) targets[row * classes + c] = 1
  return { texts: labels.map((_, row) => `text ${row}`), targets, classes }
}

function request(
  part: Partial<FineTuneRequest> = {},
  settings: Partial<FineTuneSettings> = {},
): FineTuneRequest {
  const train = part.train ?? rows([[0], [1], [0], [1], [0], [1]])
  const defaults = defaultSettings({
    trainable: { kind: 'all' },
    loss: crossEntropy,
    rows: train.texts.length,
  })
  return {
    baseFolder: 'base',
    outputFolder: 'out',
    train,
    validation: rows([[0], [1]], train.classes),
    settings: { ...defaults, ...settings },
    ...part,
  }
}

test('the defaults pass', () => {
  expect(() => checkRequest(request())).not.toThrow()
})

describe('rows', () => {
  test.each([
    [rows([[0], [1], [0], [1]]), 'train has 4 rows; 2 classes need at least 5'],
    [rows([[0], [1], [2], [3], [4]], 6), 'train has 5 rows; 6 classes need at least 6'],
    [rows([[0], [0], [0], [0], [0]], 1), 'only 1 class: fine-tuning needs at least two'],
    [
      rows([[1], [1], [1], [1], [1]]),
      'all rows of train have the same class: fine-tuning needs at least two',
    ],
    [
      rows([[0], [1], [0, 1], [1], [0]]),
      'train[2]: 2 labels; cross-entropy needs one a row, binary-cross-entropy takes any number',
    ],
    [
      { ...rows([[0], [1], [0], [1], [0]]), targets: new Float32Array(9) },
      'train has 9 targets for 5 rows of 2 classes',
    ],
    [
      { ...rows([[0], [1], [0], [1], [0]]), targets: new Float32Array(10).fill(0.5) },
      'train[0]: target 0.5 is neither 0 nor 1',
    ],
  ])('case %#', (train, message) => {
    expect(() => checkRequest(request({ train }))).toThrow(
      expect.objectContaining({ code: 'invalid_data', message }),
    )
  })

  test('validation needs the same classes, and may be empty', () => {
    expect(() => checkRequest(request({ validation: rows([[0]], 3) }))).toThrow(
      'validation has 3 classes, train 2',
    )
    expect(() => checkRequest(request({ validation: rows([]) }))).not.toThrow()
  })

  test('several labels, or none, are for binary cross-entropy', () => {
    const train = rows([[0], [1], [0, 1], [], [0]])
    expect(() =>
      checkRequest(request({ train }, { loss: { kind: 'binary-cross-entropy' } })),
    ).not.toThrow()
  })
})

describe('settings', () => {
  test.each<[Partial<FineTuneSettings>, string]>([
    [{ epochs: -1 }, 'epochs: -1 is not between 0 and 1000'],
    [{ epochs: Number.NaN }, 'epochs: NaN is not between 0 and 1000'],
    [{ batchSize: 0 }, 'batchSize: 0 is not between 1 and 1024'],
    [{ batchSize: 1.5 }, 'batchSize: 1.5 is not whole'],
    [{ learningRate: -1 }, 'learningRate: -1 is not between 0 and 1000000'],
    [{ warmup: 2 }, 'warmup: 2 is not between 0 and 1'],
    [{ threads: 0 }, 'threads: 0 is not between 1 and 256'],
    [{ patience: 0 }, 'patience: 0 is not between 1 and 1000'],
    [{ budgetMs: 0 }, 'budgetMs: 0 is not between 1 and 10000000000'],
    [{ loss: { kind: 'cross-entropy', smoothing: 1 } }, 'smoothing: 1 is not between 0 and 0.99'],
    [{ classWeights: Float32Array.of(1) }, 'classWeights must be 2 numbers of at least 0'],
    [
      { loss: { kind: 'contrastive' }, trainable: { kind: 'head' } },
      'the contrastive loss trains the encoder, not a head: train layers or all',
    ],
  ])('%o', (settings, message) => {
    expect(() => checkRequest(request({}, settings))).toThrow(
      expect.objectContaining({ code: 'invalid_request', message }),
    )
  })
})
