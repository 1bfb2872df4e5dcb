import type { HeadPlace } from '../head/columns.ts'
import type { Head } from '../head/head.ts'
import type { StackLayout } from './head-stack.ts'

/** A classifier as lists show it, without loading it. */
export interface ClassifierEntry {
  readonly kind: 'classifier'
  readonly name: string
  /** What the unqualified name means; null where nothing was promoted. */
  readonly version: number | null
  readonly versions: readonly number[]
  readonly aliases: Readonly<Record<string, number>>
  /** Of the version that the name means, else of the newest; null where its manifest cannot be read. */
  readonly family: string | null
  readonly labels: number | null
  readonly createdSeconds: number
}

/** A head that answers one request. */
export interface LeasedHead {
  readonly name: string
  readonly version: number
  readonly head: Head
  /** The head's columns in scores of the layout. */
  place(layout: StackLayout): HeadPlace
  /** The head's memory in the projection; null where it has none. */
  readonly memory: number | null
}

/** Heads that stay ready until they are released, in the order of the addresses. */
export interface ClassifierLease {
  readonly heads: readonly LeasedHead[]
  layout(projectionId: number): StackLayout
  release(): void
}

/** What was loaded, for metrics. */
export interface LiveModelsStats {
  readonly loaded: number
  readonly evicted: number
  readonly refused: number
  readonly heads: number
  readonly bytes: number
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
  /** Looks at the registry now and moves names to new versions that are ready. Never throws. */
  refresh(): Promise<void>
  stats(): LiveModelsStats
  /** Stops following the registry. */
  close(): Promise<void>
}

/** How a request asks for classifiers. */
export interface AcquireOptions {
  /** Decides a traffic split. */
  readonly routeKey?: string | undefined
  readonly signal?: AbortSignal | undefined
}
