import { describe, expect, test } from 'vitest'
import {
  buildScoringGraph,
  buildTrainingGraph,
} from '../../../shared/finetune/graph/training-graph.ts'
import type { TrainingGraphOptions } from '../../../shared/finetune/graph/types.ts'
import { peakActivations } from '../../../shared/finetune/memory/peak-activations.ts'
import { assertFits, planMemory } from '../../../shared/finetune/memory/predict-memory.ts'
import { createTextTrunk } from '../../../shared/finetune/text/text-trunk.ts'
import { GraphBuilder } from '../../../shared/onnx/graph.ts'
import { randomWeights } from '../../fakes/random-weights.ts'

const FLOAT = 4

describe('peak of a graph', () => {
  test('counts what lives at one time', () => {
    const g = new GraphBuilder('chain')
    const x = g.input('x', 'float32', ['batch', 10])
    const table = g.constant('table', 'float32', [10, 40], new Float32Array(400))
    const wide = g.op('MatMul', [x, table]) // 40 a row
    const turned = g.op('Transpose', [wide], { perm: [1, 0] }) // 40 more, then the first 40 go
    const flat = g.op('Reshape', [turned, g.int64s(-1)]) // no copy
    const sum = g.op('ReduceSum', [flat], { keepdims: 0 })
    g.output('sum', sum, 'float32', [])
    expect(peakActivations(g.build(), { batch: 100 })).toBe(100 * 80 * FLOAT)
  })

  test('reuses an input that nobody reads again, but not one that is read', () => {
    const chain = (readAgain: boolean) => {
      const g = new GraphBuilder('in-place')
      const x = g.input('x', 'float32', ['batch'])
      const made = g.op('Neg', [x])
      const next = g.op('Exp', [made])
      g.output('y', readAgain ? g.op('Add', [next, made]) : g.op('Neg', [next]), 'float32', [
        'batch',
      ])
      return peakActivations(g.build(), { batch: 50 })
    }
    expect(chain(false)).toBe(50 * FLOAT)
    expect(chain(true)).toBe(100 * FLOAT)
  })
})

describe('a plan', () => {
  const options: TrainingGraphOptions = {
    trunk: createTextTrunk({
      weights: randomWeights({ seed: 1, layers: 2 }),
      pooling: 'mean',
      trainable: { kind: 'all' },
    }),
    loss: { kind: 'contrastive' },
    classes: 2,
    initialHead: null,
    classWeights: null,
  }
  const plan = (batch: number, tokens: number) =>
    planMemory({
      training: buildTrainingGraph(options).graph,
      scoring: buildScoringGraph(options).graph,
      trainedNumbers: 10_000_000,
      interpolates: true,
      weightBytes: 90e6,
      rowBytes: 1e6,
      batch,
      tokens,
    })

  test('grows with batch and tokens, and not otherwise', () => {
    const [small, larger, longer] = [plan(16, 32), plan(32, 32), plan(16, 64)]
    expect(larger.activations).toBeGreaterThan(small.activations)
    expect(longer.activations).toBeGreaterThan(small.activations)
    expect(larger.optimiser).toBe(small.optimiser)
    expect(small.optimiser).toBe(5 * 4 * 10_000_000)
  })

  test('is refused above the limit, with the numbers and what to lower', () => {
    const found = { weights: 150e6, optimiser: 170e6, activations: 470e6, rows: 10e6, total: 800e6 }
    const job = { batch: 32, tokens: 64, trainable: { kind: 'all' } } as const
    expect(() => assertFits(found, 800e6, job)).not.toThrow()
    expect(() => assertFits(found, 500e6, job)).toThrow(
      expect.objectContaining({
        code: 'invalid_request',
        message:
          'fine-tuning needs about 800 MB (weights 150 MB, optimiser 170 MB, activations 470 MB, rows 10 MB) ' +
          'and may take 500 MB: use a smaller batch than 32, fewer tokens a text than 64 or fewer layers to train',
      }),
    )
  })
})
