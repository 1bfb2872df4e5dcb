import type { Encoder } from '../encoder/types.ts'
import type { LookResult } from '../following/registry-watch.ts'
import type { AnswerFacts } from '../head/answers.ts'
import type { HeadPlace } from '../head/columns.ts'
import type { Head } from '../head/head.ts'
import type { Traffic } from '../registry/records/state.ts'
import type { StackLayout } from './live/head-stack.ts'
import type { EncoderHeads } from './live/heads-by-encoder.ts'
import type { ShadowSlot } from './shadow/shadow-runner.ts'
import type { ShadowSummary, ShadowTotals } from './shadow/shadow-stats.ts'

/** A classifier as lists show it, without loading it. */
export interface ClassifierEntry {
  readonly kind: 'classifier'
  readonly name: string
  /** What the unqualified name means; null where nothing was promoted. */
  readonly version: number | null
  readonly versions: readonly number[]
  readonly aliases: Readonly<Record<string, number>>
  /** Shares of the requests for the unqualified name; null where all go to the champion. */
  readonly traffic: Traffic | null
  readonly shadow: ClassifierShadow | null
  /** Of the version that the name means, else of the newest; null where its manifest cannot be read. */
  readonly family: string | null
  readonly labels: number | null
  readonly createdSeconds: number
}

/** A version that scores a sample of requests in the background, and what it said. */
export interface ClassifierShadow extends ShadowSummary {
  readonly samplePercent: number
}

/** A head that answers one request. */
export interface LeasedHead {
  readonly name: string
  readonly version: number
  readonly head: Head
  /** What the version knows of its answers: what those in use are tested against, and how sure others were. */
  readonly answers: AnswerFacts
  /** The head's columns in scores of the layout. */
  place(layout: StackLayout): HeadPlace
  /** The head's memory in the projection; null where it has none. */
  readonly memory: number | null
  /** Null where no shadow is to see this answer. */
  readonly shadow: ShadowSlot | null
}

/** Heads that read one encoder: one pass scores them all. */
export interface LeasedGroup {
  readonly group: EncoderHeads
  readonly encoder: Encoder
  readonly heads: readonly LeasedHead[]
  layout(projectionId: number): StackLayout
}

/** Heads that stay ready until they are released. */
export interface ClassifierLease {
  /** In the order of the addresses. */
  readonly heads: readonly LeasedHead[]
  /** The same heads by the encoder that they read. */
  readonly groups: readonly LeasedGroup[]
  release(): void
}

/** What was loaded, for metrics. */
export interface LiveModelsStats {
  readonly loaded: number
  readonly evicted: number
  readonly refused: number
  readonly heads: number
  readonly bytes: number
  readonly shadows: readonly ShadowTotals[]
}

/** How a process stands with its registry. */
export interface RegistryStatus {
  /** `away`: the last look failed, what is loaded serves on. `offline`: it was never read, the cache serves. */
  readonly status: 'up' | 'away' | 'offline'
  /** Since the last look that succeeded; null before that. */
  readonly successAgeMs: number | null
}

/** The classifiers that a process serves. */
export interface LiveModels {
  /**
   * Loads the classifiers that a request names and keeps them ready; without a name the only one there is.
   * @throws EspalierError `invalid_name`, `model_not_found`, `version_not_found`, `wrong_model_kind`,
   * `family_mismatch`, `artifact_corrupt`, `registry_unavailable`, `overloaded`, `request_cancelled`
   */
  acquire(addresses: readonly string[] | null, options?: AcquireOptions): Promise<ClassifierLease>
  /** By name; empty while the registry has never been reached. */
  list(): Promise<readonly ClassifierEntry[]>
  /**
   * The classifier that an address means, as `list` shows it; null for a name that no classifier has.
   * @throws EspalierError `invalid_name`, `version_not_found`
   */
  find(address: string): Promise<ClassifierEntry | null>
  /** Looks at the registry now, moves names to new versions that are ready and says which. Never throws. */
  refresh(): Promise<LookResult>
  /** Looks at the registry where requests have to and the last look is too old. Never throws. */
  revalidate(): Promise<void>
  stats(): LiveModelsStats
  registryStatus(): RegistryStatus
  /** Models and versions that do not answer as the registry wants it, as `name` or `name@v2`, while others do. */
  degraded(): readonly string[]
  /** Why a model of the registry cannot be read; undefined for all others. */
  faultOf(name: string): string | undefined
  /** Stops following the registry. */
  close(): Promise<void>
}

/** How a request asks for classifiers. */
export interface AcquireOptions {
  /** Decides a traffic split and the sample of a shadow. */
  readonly routeKey?: string | undefined
  readonly signal?: AbortSignal | undefined
  /** Told which versions the names mean, as `name@v1`, and where one of them cannot be loaded, of that one again. */
  readonly onVersions?: ((versions: readonly string[]) => void) | undefined
}
