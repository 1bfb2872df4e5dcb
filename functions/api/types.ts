import type { Context, MiddlewareHandler } from 'hono'
import type { Registry } from 'prom-client'
import type { z } from 'zod'
import type { KeyScope } from '../../shared/lib/api-keys.ts'
import type { Clock } from '../../shared/lib/clock.ts'
import type { Config } from '../../shared/lib/config/config.ts'
import type { ErrorCode } from '../../shared/lib/errors.ts'
import type { LiveKeys } from '../../shared/lib/live-keys.ts'
import type { Logger } from '../../shared/lib/logger.ts'
import type { LiveModels } from '../../shared/serving/classifiers.ts'
import type { EncoderDirectory } from '../../shared/serving/models.ts'
import type { Readiness } from '../../shared/serving/readiness.ts'
import type { Services } from '../../shared/serving/services.ts'
import type { SnapshotHooks } from '../../shared/serving/snapshot-hooks.ts'
import type { AnswerWatch } from '../../shared/serving/watch/answer-watch.ts'
import type { Upload } from './requests/read-upload.ts'

/** Everything that the application works with; `functions/boot` builds it. */
export interface ApiDeps {
  readonly services: Services
  readonly encoders: EncoderDirectory
  readonly classifiers: LiveModels
  /** What classifiers answered. */
  readonly watch: Pick<AnswerWatch, 'list'>
  readonly config: Config
  readonly log: Logger
  readonly clock: Clock
  readonly readiness: Readiness
  /** Version of the product. */
  readonly version: string
  /** A registry of its own for each application; without one there is no `/metrics`. */
  readonly metrics?: Registry | undefined
  /** The keys that callers must have; without them everybody is let in. */
  readonly keys?: LiveKeys | undefined
  /** The hosts that it answers as, without ports; any where it is left out. */
  readonly hosts?: readonly string[] | undefined
  /** What to do around a snapshot of the process, on hosts that take some. */
  readonly snapshot?: SnapshotHooks | undefined
}

/** How a route writes errors: our one body, or that of text-embeddings-inference. */
export type ErrorForm = 'unified' | 'tei'

/** What `/openapi.json` says of a route beside what the route itself says. */
export interface RouteDocs {
  readonly summary: string
  readonly tag: 'embeddings' | 'classification' | 'models' | 'operations'
  readonly response: z.ZodType
  /** The body of a 503 where it is no error. */
  readonly unavailable?: z.ZodType
  readonly headers?: z.ZodObject
  readonly params?: z.ZodObject
}

export type RouteHandler = (c: ApiContext) => Response | Promise<Response>

/** All that is known of a route; application, OpenAPI, scopes, error form and log level follow from it. */
export interface Route {
  readonly method: 'get' | 'post'
  /** As the router takes it: `/v1/models/:id`. */
  readonly path: string
  /** What a key must open, where keys are asked for; null lets anybody in. */
  readonly scope: KeyScope | null
  /** @default 'unified' */
  readonly errors?: ErrorForm
  /** True for what probes and scrapers ask every few seconds: logged at debug. */
  readonly quiet?: boolean
  /** The JSON that it reads. Such a route is inference: admitted by number, its body bounded. */
  readonly request?: z.ZodType
  /** The field of inputs in whose place images may come as they are. */
  readonly uploads?: 'input' | 'inputs'
  /** Absent for routes of machines, which the document leaves out. */
  readonly docs?: RouteDocs
  /** Makes what answers, once; null where the application has no such part. */
  handler(deps: ApiDeps, routes: readonly Route[]): RouteHandler | null
}

/** What one encoder read for a request. */
export interface ModelUsage {
  /** `name@v1`. */
  readonly model: string
  readonly inputs: number
  readonly tokens: number
  readonly truncated: number
}

/** What one classifier said of the inputs of a request, without any of them. */
export interface AnsweredBrief {
  /** `name@v1`. */
  readonly model: string
  readonly answers: number
  /** The most frequent labels, first. */
  readonly labels: readonly { readonly label: string; readonly answers: number }[]
  /** Answers without a label. */
  readonly none?: number
  readonly meanScore: number
  /** Answers by their best score: each bin by its upper limit. */
  readonly scores: Readonly<Record<string, number>>
  /** Share of inputs like the training data; absent without a detector. */
  readonly inDistribution?: number
}

/** What a finished inference leaves for headers, log line and metrics, so that they never disagree. */
export interface Usage {
  /** `name@v1`; several with commas between them. */
  readonly model: string
  /** The classifiers that answered, such as `intent@v2`, with commas between them. */
  readonly heads?: string
  readonly models: readonly ModelUsage[]
  /** What the first of the classifiers said. */
  readonly answered?: readonly AnsweredBrief[]
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
  /** The route at its path; null where there is none. */
  readonly route: Route | null
  bodyBytes: number
  usage: Usage | null
  /** The classifiers that it asks for, or that its failure is about, as `intent@v2`; null where none is known. */
  heads: readonly string[] | null
  /** What the answer's headers say of its usage. */
  usageHeaders: Readonly<Record<string, string>>
  /** True once there is an answer that brings all its headers along. */
  answered: boolean
  errorCode: ErrorCode | null
  /** Whose key it came with; null where none is asked for. */
  caller: Caller | null
  /** Its part of the workers' time beside other keys. */
  weight: number
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

export type ApiContext = Context<ApiEnv>
export type ApiMiddleware = MiddlewareHandler<ApiEnv>
