import type { Context, MiddlewareHandler } from 'hono'
import type { Registry } from 'prom-client'
import type { KeyRing, KeyScope } from '../../shared/lib/api-keys.ts'
import type { Clock } from '../../shared/lib/clock.ts'
import type { Config } from '../../shared/lib/config/config.ts'
import type { ErrorCode } from '../../shared/lib/errors.ts'
import type { Logger } from '../../shared/lib/logger.ts'
import type { LiveModels } from '../../shared/serving/classifiers.ts'
import type { EncoderDirectory } from '../../shared/serving/models.ts'
import type { Readiness } from '../../shared/serving/readiness.ts'
import type { Services } from '../../shared/serving/services.ts'
import type { SnapshotHooks } from '../../shared/serving/snapshot-hooks.ts'
import type { Upload } from './requests/read-upload.ts'

/** Everything that the application works with; `functions/boot` builds it. */
export interface ApiDeps {
  readonly services: Services
  readonly encoders: EncoderDirectory
  readonly classifiers: LiveModels
  readonly config: Config
  readonly log: Logger
  readonly clock: Clock
  readonly readiness: Readiness
  /** Version of the product. */
  readonly version: string
  /** A registry of its own for each application; without one there is no `/metrics`. */
  readonly metrics?: Registry | undefined
  /** The keys that callers must have; without them everybody is let in. */
  readonly keys?: KeyRing | undefined
  /** What to do around a snapshot of the process, on hosts that take some. */
  readonly snapshot?: SnapshotHooks | undefined
}

/** What one encoder read for a request. */
export interface ModelUsage {
  /** `name@v1`. */
  readonly model: string
  readonly inputs: number
  readonly tokens: number
  readonly truncated: number
}

/** What a finished inference leaves for headers, log line and metrics, so that they never disagree. */
export interface Usage {
  /** `name@v1`; several with commas between them. */
  readonly model: string
  /** The classifiers that answered, such as `intent@v2`, with commas between them. */
  readonly heads?: string
  readonly models: readonly ModelUsage[]
  readonly inputs: number
  readonly tokens: number
  readonly truncated: number
  readonly queueMs: number
  readonly tokenizeMs: number
  readonly runMs: number
}

/** One request, from its first byte to its log line. */
export interface RequestRecord {
  readonly id: string
  readonly startedMs: number
  readonly traceparent: string | undefined
  bodyBytes: number
  usage: Usage | null
  /** What the answer's headers say of its usage. */
  usageHeaders: Readonly<Record<string, string>>
  /** True once there is an answer that brings all its headers along. */
  answered: boolean
  errorCode: ErrorCode | null
  /** Whose key it came with; null where none is asked for. */
  caller: Caller | null
}

/** Who is calling, by the key given. */
export interface Caller {
  readonly name: string
  readonly scopes: ReadonlySet<KeyScope>
}

/** What middleware leaves in the context. */
export interface ApiEnv {
  Variables: {
    record: RequestRecord
    /** The parsed JSON of the request, not yet checked against a schema. */
    body: unknown
    /** Images that came as they are; absent for JSON. */
    upload: Omit<Upload, 'fields'> | undefined
  }
}

export type { ApiApp } from './api-app.ts'
export type ApiContext = Context<ApiEnv>
export type ApiMiddleware = MiddlewareHandler<ApiEnv>
