import type { Activation } from '../../shared/exporter/architectures/architecture.ts'
import type { EncoderWeights, Linear, Norm } from '../../shared/exporter/source/weights.ts'

type Dense = NonNullable<EncoderWeights['dense']>

/** What varies between the encoders that tests train. */
export interface RandomWeightsOptions {
  readonly seed: number
  readonly layers: number
  readonly activation?: Activation
  readonly dense?: Dense['activation']
}

export const RANDOM_HIDDEN = 6
const [INTERMEDIATE, HEADS, VOCABULARY, POSITIONS, DENSE_OUTPUTS] = [8, 2, 11, 7, 5]

/** An encoder so small that each of its weights can be tried by itself. */
export function randomWeights(options: RandomWeightsOptions): EncoderWeights {
  const random = createRandom(options.seed)
  const values = (count: number, spread: number, centre = 0) =>
    Float32Array.from({ length: count }, () => centre + spread * (2 * random() - 1))
  const linear = (inputs: number, outputs: number): Linear => ({
    inputs,
    outputs,
    weight: values(inputs * outputs, 0.8),
    bias: values(outputs, 0.4),
  })
  const norm = (): Norm => ({
    gamma: values(RANDOM_HIDDEN, 0.4, 1),
    beta: values(RANDOM_HIDDEN, 0.3),
  })
  return {
    config: {
      architecture: 'bert',
      hidden: RANDOM_HIDDEN,
      layers: options.layers,
      heads: HEADS,
      intermediate: INTERMEDIATE,
      vocabulary: VOCABULARY,
      positions: POSITIONS,
      positionOffset: 0,
      activation: options.activation ?? 'gelu',
      layerNormEpsilon: 1e-5,
      padId: 0,
    },
    words: values(VOCABULARY * RANDOM_HIDDEN, 1),
    positions: values(POSITIONS * RANDOM_HIDDEN, 0.5),
    positionCount: POSITIONS,
    embeddingNorm: norm(),
    layers: Array.from({ length: options.layers }, () => ({
      qkv: linear(RANDOM_HIDDEN, 3 * RANDOM_HIDDEN),
      out: linear(RANDOM_HIDDEN, RANDOM_HIDDEN),
      attentionNorm: norm(),
      ffnIn: linear(RANDOM_HIDDEN, INTERMEDIATE),
      ffnOut: linear(INTERMEDIATE, RANDOM_HIDDEN),
      outputNorm: norm(),
    })),
    dense: options.dense
      ? { ...linear(RANDOM_HIDDEN, DENSE_OUTPUTS), activation: options.dense }
      : null,
    digest: 'random',
  }
}

/** Numbers in [0, 1) by a linear congruence (Knuth's MMIX takes more bits; these are enough here). */
export function createRandom(seed: number): () => number {
  let state = (seed * 2654435761) >>> 0
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    return state / 2 ** 32
  }
}
