import { EspalierError } from '../../lib/errors.ts'
import type { Parameter } from '../graph/types.ts'
import { ADAMW_CODE } from './adamw-code.ts'

const FLOAT_BYTES = 4
const LANE_BYTES = 16
const PAGE_BYTES = 65_536
/** Gradients are copied in pieces that stay in the first caches: 64 KB. */
const CHUNK_FLOATS = 16_384
/** Weight and two moments; addresses of WebAssembly end at 4 GB. */
const COPIES = 3
const MAX_BYTES = 65_536 * PAGE_BYTES

/** The moments' decay rates and the guard of the division; defaults of the paper and of PyTorch. */
export interface AdamWConstants {
  /** @default 0.9 */
  readonly beta1?: number
  /** @default 0.999 */
  readonly beta2?: number
  /** @default 1e-8 */
  readonly epsilon?: number
}

/** How far one step goes. */
export interface AdamWStep {
  /** Learning rate of each group of parameters. */
  readonly rates: Readonly<Record<Parameter['group'], number>>
  /** Decoupled decay of parameters that have any. */
  readonly weightDecay: number
  /** What gradients are multiplied by first: clipping. */
  readonly scale: number
}

/** Weights with their AdamW state, in WebAssembly memory; owned by one thread. */
export interface AdamW {
  /** Steps taken. */
  readonly steps: number
  /** Numbers that are trained. */
  readonly count: number
  /** The present weights of each parameter, in order; views that change with every step. */
  readonly weights: readonly Float32Array[]
  /** One step, gradients in the order of the parameters. */
  step(gradients: readonly Float32Array[], options: AdamWStep): void
  /** Copies all weights out; `into` is the result of an earlier call. */
  save(into?: Float32Array): Float32Array
  /** Puts saved weights back. */
  restore(saved: Float32Array): void
  /** Begins anew from these weights, one array a parameter, with no step taken. */
  restart(initial: readonly Float32Array[]): void
}

type StepFunction = (...numbers: readonly number[]) => void

/**
 * AdamW with decoupled weight decay (Loshchilov and Hutter, 2019, https://arxiv.org/abs/1711.05101),
 * as PyTorch's: float32 throughout, the schedule multiplies the decay as well.
 * @throws EspalierError `invalid_request` for more parameters than WebAssembly can address
 */
export function createAdamW(
  parameters: readonly Parameter[],
  { beta1 = 0.9, beta2 = 0.999, epsilon = 1e-8 }: AdamWConstants = {},
): AdamW {
  const bytes = parameters.map(({ initial }) => align(initial.length * FLOAT_BYTES))
  const region = bytes.reduce((sum, size) => sum + size, 0)
  const scratch = region * COPIES
  const memory = allocate(scratch + CHUNK_FLOATS * FLOAT_BYTES)
  const starts = cumulate(bytes)
  const weights = parameters.map(({ initial }, index) => {
    const view = new Float32Array(memory.buffer, starts[index], initial.length)
    view.set(initial)
    return view
  })
  const all = new Float32Array(memory.buffer, 0, region / FLOAT_BYTES)
  const chunk = new Float32Array(memory.buffer, scratch, CHUNK_FLOATS)
  const run = instantiate(memory)
  let steps = 0
  return {
    get steps() {
      return steps
    },
    count: parameters.reduce((sum, { initial }) => sum + initial.length, 0),
    weights,
    step(gradients, { rates, weightDecay, scale }) {
      steps++
      const root = 1 / Math.sqrt(1 - beta2 ** steps)
      for (const [index, { group, decay }] of parameters.entries()) {
        const rate = rates[group]
        const keep = decay ? 1 - rate * weightDecay : 1
        const numbers = [scale, keep, rate / (1 - beta1 ** steps), root, epsilon] as const
        const gradient = gradients[index] as Float32Array
        for (let done = 0; done < gradient.length; done += CHUNK_FLOATS) {
          const part = gradient.subarray(done, done + CHUNK_FLOATS)
          chunk.set(part)
          const at = (starts[index] as number) + done * FLOAT_BYTES
          const size = align(part.length * FLOAT_BYTES)
          const addresses = [at, at + region, at + 2 * region, scratch, size] as const
          run(...addresses, ...numbers, beta1, 1 - beta1, beta2, 1 - beta2)
        }
      }
    },
    save(into = new Float32Array(all.length)) {
      into.set(all)
      return into
    },
    restore: (saved) => all.set(saved),
    restart(initial) {
      steps = 0
      new Uint8Array(memory.buffer, region, scratch - region).fill(0)
      for (const [index, view] of weights.entries()) view.set(initial[index] as Float32Array)
    },
  }
}

/** Bytes that `createAdamW` takes for this many numbers, a saved copy not counted. */
export function adamWBytes(count: number): number {
  return COPIES * count * FLOAT_BYTES
}

function allocate(bytes: number): WebAssembly.Memory {
  if (bytes > MAX_BYTES) {
    const most = Math.floor(MAX_BYTES / COPIES / FLOAT_BYTES / 1e6)
    throw new EspalierError(
      'invalid_request',
      `${Math.round(bytes / COPIES / FLOAT_BYTES / 1e6)} million weights to train, at most ${most} million are possible: train fewer layers`,
    )
  }
  // Growing would detach the views: sized once.
  const pages = Math.ceil(bytes / PAGE_BYTES)
  return new WebAssembly.Memory({ initial: pages, maximum: pages })
}

function instantiate(memory: WebAssembly.Memory): StepFunction {
  const module = new WebAssembly.Module(Buffer.from(ADAMW_CODE, 'base64'))
  return new WebAssembly.Instance(module, { env: { memory } }).exports.step as StepFunction
}

function align(bytes: number): number {
  return Math.ceil(bytes / LANE_BYTES) * LANE_BYTES
}

function cumulate(sizes: readonly number[]): number[] {
  let at = 0
  return sizes.map((size) => {
    const start = at
    at += size
    return start
  })
}
