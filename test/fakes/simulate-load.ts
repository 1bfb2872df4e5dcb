import { Dispatcher } from '../../shared/encoder/dispatcher.ts'
import { createInputKind } from '../../shared/encoder/input-kind.ts'
import type { QueueCaller } from '../../shared/encoder/queue.ts'
import { EncodeRequest } from '../../shared/encoder/request.ts'
import { EspalierError, isEspalierError } from '../../shared/lib/errors.ts'
import type { EncoderManifest } from '../../shared/lib/manifests/encoder-manifest.ts'
import { createRandom } from '../../shared/lib/maths/random.ts'
import { CPU_GROUPING } from '../../shared/runtime/grouping.ts'
import { createFakePool, type FakeJob } from './fake-pool.ts'

/** Tokens a millisecond of one simulated worker. */
export const TOKENS_PER_MS = 10
export const WORKERS = 2

const MAX_TOKENS = 256
const OPTIONS = { truncate: true, truncationDirection: 'right', normalize: true } as const
const MANIFEST = { modality: 'text', maxTokens: MAX_TOKENS } as EncoderManifest

/** One kind of request. */
export interface RequestKind {
  readonly texts: number
  /** Of each text. */
  readonly bytes: number
  /** How often it comes, as a part of all requests. */
  readonly share: number
  readonly caller?: QueueCaller
}

/** What became of one request. */
export interface Outcome {
  readonly kind: RequestKind
  readonly arrivedMs: number
  outcome: 'waiting' | 'refused' | 'answered' | 'late'
  /** When it was answered. */
  endedMs: number
  retryAfterSeconds: number | undefined
}

/** What comes, and for how long. */
export interface SimulatedLoad {
  readonly kinds: readonly RequestKind[]
  /** How much comes, as a multiple of what the workers can do. */
  readonly times: number
  readonly seconds: number
  readonly patienceMs?: number
  /** How much longer than it should a job takes at most, as a part of its time. */
  readonly noise?: number
  readonly maxQueueTokens?: number
}

/** Tokens of a request. */
export function tokensOf({ texts, bytes }: Pick<RequestKind, 'texts' | 'bytes'>): number {
  return texts * countTokens(bytes)
}

function countTokens(bytes: number): number {
  return Math.min(MAX_TOKENS, Math.ceil(bytes / 4) + 2)
}

/**
 * Runs a dispatcher as a server under load does, over workers of a known speed and on a clock of its own: requests
 * come at random, by a seed, and leave when their patience ends.
 */
export async function simulateLoad(load: SimulatedLoad): Promise<Outcome[]> {
  const random = createRandom(7)
  const { maxQueueTokens = 1_048_576, patienceMs: timeoutMs, noise = 0 } = load
  const limits = { maxQueueTokens, maxQueueWaitMs: 60_000, maxTextBytes: 1e6 }
  const pool = createFakePool(WORKERS, 1)
  let now = 0
  const dispatcher = new Dispatcher({
    pool,
    grouping: CPU_GROUPING,
    limits,
    dimension: 1,
    kind: createInputKind(MANIFEST, limits),
    fingerprint: 'f',
    cache: null,
    longJobs: false,
    now: () => now,
  })
  const outcomes: Outcome[] = []
  const running = new Map<FakeJob, { readonly ms: number; readonly end: number }>()
  const leaving: { readonly at: number; leave(): void }[] = []
  const meanTokens = load.kinds.reduce((sum, kind) => sum + kind.share * tokensOf(kind), 0)
  const gapMs = meanTokens / (load.times * WORKERS * TOKENS_PER_MS)
  let nextMs = 0
  let serial = 0

  /** Each worker begins with the next of the jobs that it has been given. */
  function start(): void {
    for (const job of pool.jobs) {
      if (running.size >= WORKERS) return
      if (running.has(job)) continue
      const tokens = job.job.inputs.reduce((sum, text) => sum + countTokens(text.length), 0)
      const ms = (tokens / TOKENS_PER_MS) * (1 + noise * random.next())
      running.set(job, { ms, end: now + ms })
    }
  }

  function choose(): RequestKind {
    let left = random.next()
    for (const kind of load.kinds) {
      left -= kind.share
      if (left < 0) return kind
    }
    return load.kinds[0] as RequestKind
  }

  function arrive(): void {
    const kind = choose()
    const texts = Array.from({ length: kind.texts }, () => `${serial++} `.padEnd(kind.bytes, 'x'))
    const options = { ...OPTIONS, timeoutMs, caller: kind.caller }
    const request = new EncodeRequest(texts, options, null, 1, now)
    const own: Outcome = {
      kind,
      arrivedMs: now,
      outcome: 'waiting',
      endedMs: 0,
      retryAfterSeconds: undefined,
    }
    outcomes.push(own)
    request.result.then(
      () => Object.assign(own, { outcome: 'answered', endedMs: now }),
      () => Object.assign(own, { outcome: 'late' }),
    )
    try {
      dispatcher.submit(request)
    } catch (error) {
      if (!isEspalierError(error, 'overloaded')) throw error
      Object.assign(own, { outcome: 'refused', retryAfterSeconds: error.retryAfterSeconds })
      return
    }
    if (timeoutMs === undefined) return
    const late = new EspalierError('deadline_exceeded', 'too late')
    leaving.push({
      at: now + timeoutMs,
      leave: () => {
        if (!request.settled) dispatcher.abandon(request, late)
      },
    })
  }

  while (now < load.seconds * 1000) {
    const [first] = [...running].sort((a, b) => a[1].end - b[1].end)
    const endMs = first?.[1].end ?? Number.POSITIVE_INFINITY
    const leaveMs = leaving[0]?.at ?? Number.POSITIVE_INFINITY
    now = Math.min(nextMs, endMs, leaveMs)
    if (first && now === endMs) {
      const [job, { ms }] = first
      running.delete(job)
      job.finish(ms, (text) => countTokens(text.length))
      await new Promise(setImmediate)
      dispatcher.dispatch()
    } else if (now === leaveMs) leaving.shift()?.leave()
    else {
      arrive()
      nextMs = now - gapMs * Math.log(1 - random.next())
    }
    start()
  }
  await new Promise(setImmediate)
  return outcomes
}
