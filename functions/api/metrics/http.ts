import { Counter, Gauge, Histogram, Registry } from 'prom-client'
import { addRegistryMetrics } from '../registry-metrics.ts'
import type { ApiDeps, RequestRecord } from '../types.ts'
import { addLiveEncoderMetrics } from './encoders.ts'
import { addShadowMetrics } from './models.ts'

type EncoderLoad = ReturnType<ReturnType<ApiDeps['encoders']['resolve']>['load']>

/** Seconds; from a cached lookup to a full queue. */
const DURATION_BUCKETS = [0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60]

/** What the server counts. Labels take few values: routes as written, statuses, models served. */
export interface HttpMetrics {
  readonly inFlight: Gauge
  observe(
    method: string,
    route: string,
    status: number,
    durationMs: number,
    record: RequestRecord,
  ): void
}

/** An empty registry: one for each application. */
export function createMetricsRegistry(): Registry {
  return new Registry()
}

/** Registers the metrics; one registry holds those of one application. */
export function createHttpMetrics(
  registry: Registry,
  { encoders, classifiers }: Pick<ApiDeps, 'encoders' | 'classifiers'>,
): HttpMetrics {
  const registers = [registry]
  const requests = new Counter({
    name: 'espalier_http_requests_total',
    help: 'Requests answered.',
    labelNames: ['method', 'route', 'status'],
    registers,
  })
  const duration = new Histogram({
    name: 'espalier_http_request_duration_seconds',
    help: 'Time from the first byte of a request to its answer.',
    labelNames: ['route'],
    buckets: DURATION_BUCKETS,
    registers,
  })
  const errors = new Counter({
    name: 'espalier_errors_total',
    help: 'Requests answered with an error, by code.',
    labelNames: ['code'],
    registers,
  })
  const byModel = (name: string, help: string) =>
    new Counter({ name, help, labelNames: ['model'], registers })
  const inputs = byModel('espalier_inputs_total', 'Inputs encoded.')
  const tokens = byModel('espalier_tokens_total', 'Tokens encoded.')
  const truncated = byModel('espalier_truncated_inputs_total', 'Inputs that were cut.')
  const stageSeconds = new Counter({
    name: 'espalier_stage_seconds_total',
    help: 'Time spent by stage; workers overlap.',
    labelNames: ['stage'],
    registers,
  })
  const inFlight = new Gauge({
    name: 'espalier_http_requests_in_flight',
    help: 'Requests being answered.',
    registers,
  })
  addEncoderMetrics(registry, encoders)
  addLiveEncoderMetrics(registry, encoders)
  addHeadMetrics(registry, classifiers)
  addShadowMetrics(registry, classifiers)
  addRegistryMetrics(registry, classifiers)

  return {
    inFlight,
    observe(method, route, status, durationMs, { usage, errorCode }) {
      requests.inc({ method, route, status })
      duration.observe({ route }, durationMs / 1000)
      if (errorCode) errors.inc({ code: errorCode })
      if (!usage) return
      for (const { model, ...counts } of usage.models) {
        inputs.inc({ model }, counts.inputs)
        tokens.inc({ model }, counts.tokens)
        truncated.inc({ model }, counts.truncated)
      }
      stageSeconds.inc({ stage: 'queue' }, usage.queueMs / 1000)
      stageSeconds.inc({ stage: 'tokenize' }, usage.tokenizeMs / 1000)
      stageSeconds.inc({ stage: 'run' }, usage.runMs / 1000)
    },
  }
}

/** What `load` of the encoder says, read when somebody asks. */
function addEncoderMetrics(registry: Registry, encoders: ApiDeps['encoders']): void {
  const registers = [registry]
  const sum = (read: (load: EncoderLoad) => number) =>
    encoders.open().reduce((total, encoder) => total + read(encoder.load()), 0)
  const gauge = (name: string, help: string, read: () => number) =>
    new Gauge({
      name,
      help,
      registers,
      collect() {
        this.set(read())
      },
    })
  const counter = (name: string, help: string, read: () => number) =>
    new Counter({
      name,
      help,
      registers,
      collect() {
        this.reset()
        this.inc(read())
      },
    })
  gauge('espalier_queue_tokens', 'Tokens waiting for a worker.', () =>
    sum((load) => load.queuedTokens),
  )
  gauge('espalier_busy_workers', 'Workers that are running.', () => sum((load) => load.busyWorkers))
  counter(
    'espalier_shared_inputs_total',
    'Inputs that needed no run: another of the same text was on its way.',
    () => sum((load) => load.sharedInputs),
  )
  counter('espalier_worker_crashes_total', 'Workers that ended unasked and were replaced.', () =>
    sum((load) => load.workerCrashes),
  )
  if (encoders.resolve().load().cache === null) return
  counter('espalier_result_cache_hits_total', 'Inputs answered from the result cache.', () =>
    sum(({ cache }) => cache?.hits ?? 0),
  )
  counter('espalier_result_cache_misses_total', 'Inputs that were not in the result cache.', () =>
    sum(({ cache }) => cache?.misses ?? 0),
  )
  gauge('espalier_result_cache_bytes', 'Memory that cached results take.', () =>
    sum(({ cache }) => cache?.bytes ?? 0),
  )
}

/** What `stats` of the classifiers says, read when somebody asks. */
function addHeadMetrics(registry: Registry, classifiers: ApiDeps['classifiers']): void {
  const registers = [registry]
  const counters = [
    ['loaded', 'Heads loaded.'],
    ['evicted', 'Heads evicted because others needed their memory.'],
    ['refused', 'New versions refused; the old ones kept serving.'],
  ] as const
  for (const [key, help] of counters) {
    new Counter({
      name: `espalier_heads_${key}_total`,
      help,
      registers,
      collect() {
        this.reset()
        this.inc(classifiers.stats()[key])
      },
    })
  }
  new Gauge({
    name: 'espalier_heads_bytes',
    help: 'Memory that loaded heads take.',
    registers,
    collect() {
      this.set(classifiers.stats().bytes)
    },
  })
}
