import { setImmediate } from 'node:timers/promises'
import { findPrompt } from '../../encoder/prompts.ts'
import type { EncodedBatch, EncodeOptions, EncoderInput } from '../../encoder/types.ts'
import type { ManifestCache } from '../../following/registry-follower.ts'
import { type Head, isSameReading, type TextReading } from '../../head/head.ts'
import type { Prediction } from '../../head/predict.ts'
import { EspalierError, isEspalierError } from '../../lib/errors.ts'
import type { Logger } from '../../lib/logger.ts'
import { formatModelVersion } from '../../lib/text/model-address.ts'
import { TimeSlice } from '../../lib/time-slice.ts'
import { routePosition } from '../../registry/records/traffic.ts'
import type { RegistryVersion } from '../../registry/types.ts'
import type { CachedHead, HeadCache } from '../live/head-cache.ts'
import type { StackLayout } from '../live/head-stack.ts'
import type { EncoderHeads, HeadsByEncoder } from '../live/heads-by-encoder.ts'
import { isPassing, type ServedModel } from '../live/served-models.ts'
import { type HeadSlot, type RankOptions, rankRows } from '../rank-rows.ts'
import type { ShadowStats, SkipReason } from './shadow-stats.ts'

/** Requests that wait to be compared, and the numbers (scores, characters) that they keep in memory. */
const MAX_WAITING = 64
const MAX_HELD = 4_000_000
/** Ranking longer than this lets requests in between, milliseconds. */
const MAX_SLICE_MS = 1

/** What was answered, for the comparison. */
export interface Answered {
  readonly group: EncoderHeads
  readonly inputs: readonly EncoderInput[]
  /** How the answer's heads read long texts, and how the request has those of another read. */
  readonly reading: TextReading | undefined
  readonly encodeFor: (
    head: Head,
  ) => Pick<EncodeOptions, 'truncate' | 'truncationDirection' | 'windows' | 'normalize'>
  readonly batch: EncodedBatch
  readonly layout: StackLayout
  /** How the request has the labels of another head ranked. */
  readonly rankFor: (head: Head) => RankOptions
  readonly predictions: readonly Prediction[]
}

/** A sampled request's place at the runner. */
export interface ShadowSlot {
  /** Hands over an answer; what follows happens later and never fails it. */
  offer(answered: Answered): void
}

/** What a runner works with. */
export interface ShadowDeskOptions {
  readonly cache: HeadCache
  readonly byEncoder: HeadsByEncoder
  readonly stats: ShadowStats
  readonly log: Logger
}

interface Job {
  readonly name: string
  readonly versions: { readonly answered: number; readonly shadow: number }
  readonly version: RegistryVersion
  readonly cached: CachedHead
  readonly answered: Answered
  /** Scores that the answer's own pass left for the shadow; null where it needs a pass of its own. */
  readonly slot: HeadSlot | null
  readonly held: number
}

/**
 * Compares shadows with what was answered, in the background. A shadow whose head is in the projection has its
 * scores from the answer's own pass; one that searches a memory or reads another encoder runs a pass afterwards.
 */
export class ShadowRunner {
  readonly #options: ShadowDeskOptions
  readonly #versions = new WeakMap<ManifestCache, Map<number, RegistryVersion>>()
  readonly #preparing = new Set<string>()
  /** Versions that cannot be served, one log line each. */
  readonly #refused = new Set<string>()
  readonly #waiting: Job[] = []
  #held = 0
  #running = false
  #closed = false

  constructor(options: ShadowDeskOptions) {
    this.#options = options
  }

  /** A slot where the request belongs to the sample: the same key always does or never does. */
  slot(model: ServedModel, answered: number, routeKey: string | undefined): ShadowSlot | null {
    const { shadow, name } = model.state
    if (!shadow || shadow.version === answered) return null
    const { samplePercent } = shadow
    // Another position than that of the traffic split, so that every side is sampled.
    const position = routeKey === undefined ? 100 : routePosition(`${name}@shadow`, routeKey)
    if (samplePercent < 100 && position >= samplePercent) return null
    return { offer: (done) => this.#offer(model, { answered, shadow: shadow.version }, done) }
  }

  /** Tries refused versions again. */
  retryRefused(): void {
    this.#refused.clear()
  }

  close(): void {
    this.#closed = true
    for (const { name, versions } of this.#waiting.splice(0)) this.#skip(name, versions, 'busy')
  }

  #offer(model: ServedModel, versions: Job['versions'], answered: Answered): void {
    const admitted = this.#admit(model, versions, answered)
    if (typeof admitted === 'string') {
      this.#skip(model.state.name, versions, admitted)
      return
    }
    this.#held += admitted.held
    this.#waiting.push(admitted)
    void this.#run()
  }

  /** What is to be done for an answer, or why nothing is. */
  #admit(model: ServedModel, versions: Job['versions'], answered: Answered): Job | SkipReason {
    const { name } = model.state
    const { group, layout, batch, inputs } = answered
    const label = formatModelVersion({ name, version: versions.shadow })
    if (this.#refused.has(label)) return 'failed'
    if (group.encoder.load().queuedTokens > 0) return 'queue'
    const version = this.#versions.get(model.manifests)?.get(versions.shadow)
    const cached = version && this.#options.cache.peek(version)
    const place = cached && layout.places.get(cached)
    const isOther = cached && !isSameReading(cached.head.reading, answered.reading)
    const runsAgain =
      cached?.head.memory || isOther || version?.family !== group.encoder.info.family
    if (!version || !cached || (!place && !runsAgain)) {
      void this.#prepare(model, versions.shadow, label)
      return 'loading'
    }
    const { head } = cached
    const slot = runsAgain ? null : { head, place: place!, stride: layout.columns, memory: null }
    const length = inputs.reduce((sum, input) => sum + input.length, 0)
    const held = slot ? (batch.scores?.length ?? 0) : length
    const isFull = this.#waiting.length >= MAX_WAITING || this.#held + held > MAX_HELD
    if (this.#closed || isFull) return 'busy'
    return { name, versions, version, cached, answered, slot, held }
  }

  /** Loads the shadow's head and lets it join the projection, once however many ask for it. */
  async #prepare(model: ServedModel, number: number, label: string): Promise<void> {
    if (this.#preparing.has(label) || this.#closed) return
    this.#preparing.add(label)
    try {
      const version = await model.manifests.get(number)
      const { group, release } = await this.#options.byEncoder.acquire(version)
      try {
        const cached = await this.#options.cache.get(version, group.encoder.info)
        if (!cached.head.memory) (await group.stack.lease([cached])).release()
        const known = this.#versions.get(model.manifests) ?? new Map<number, RegistryVersion>()
        this.#versions.set(model.manifests, known.set(number, version))
      } finally {
        release()
      }
    } catch (error) {
      const reason = (error as Error).message
      if (isPassing(error)) return
      this.#refused.add(label)
      this.#options.log.error({ model: label, reason }, 'shadow refused; answers are not affected')
    } finally {
      this.#preparing.delete(label)
    }
  }

  async #run(): Promise<void> {
    if (this.#running) return
    this.#running = true
    // Behind the answer, which is written in this turn.
    await setImmediate()
    for (let job = this.#waiting.shift(); job; job = this.#waiting.shift()) {
      try {
        await this.#compare(job)
      } catch (error) {
        this.#skip(
          job.name,
          job.versions,
          isEspalierError(error, 'overloaded') ? 'queue' : 'failed',
        )
        this.#options.log.debug({ model: job.name, err: error }, 'shadow not scored')
      }
      this.#held -= job.held
    }
    this.#running = false
  }

  async #compare({ name, versions, version, cached, answered, slot }: Job): Promise<void> {
    const slice = new TimeSlice(MAX_SLICE_MS)
    const { rankFor, predictions } = answered
    const options = rankFor(cached.head)
    const shadows = slot
      ? (await rankRows(slot, answered.batch, options, slice)).predictions
      : await this.#runAgain(version, cached, answered, slice)
    const multiLabel = cached.head.activation === 'sigmoid'
    this.#options.stats.add(name, versions, predictions, shadows, multiLabel)
  }

  /** Encodes the inputs once more, for a shadow that the answer's own pass had no scores of. */
  async #runAgain(
    version: RegistryVersion,
    cached: CachedHead,
    { inputs, encodeFor, rankFor }: Answered,
    slice: TimeSlice,
  ): Promise<readonly Prediction[]> {
    const { group, release } = await this.#options.byEncoder.acquire(version)
    try {
      const { encoder, stack } = group
      const lease = await stack.lease([cached])
      try {
        if (encoder.load().queuedTokens > 0) throw new EspalierError('overloaded', 'others wait')
        const memory = cached.head.memory ? cached.id : null
        const search = memory === null ? [] : [memory]
        const prompt = findPrompt(encoder.info, undefined)
        const batch = await encoder.encode(inputs, {
          ...encodeFor(cached.head),
          ...{ prompt, search, project: true },
        })
        const { columns: stride, places } = lease.layout(batch.projectionId)
        const slot = { head: cached.head, place: places.get(cached)!, stride, memory }
        return (await rankRows(slot, batch, rankFor(cached.head), slice)).predictions
      } finally {
        lease.release()
      }
    } finally {
      release()
    }
  }

  #skip(name: string, versions: Job['versions'], reason: SkipReason): void {
    this.#options.stats.skip(name, versions.shadow, reason)
  }
}
