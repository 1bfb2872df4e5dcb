import { Counter, Gauge, Histogram, Registry } from 'prom-client'
import type { ApiDeps, RequestRecord } from '../types.ts'
import { addAnswerMetrics } from './answers.ts'
import { addEncoderMetrics } from './encoders.ts'
import { addHeadMetrics, addKeyMetrics, addRegistryMetrics, addShadowMetrics } from './models.ts'

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
  {
    encoders,
    classifiers,
    watch,
    keys,
  }: Pick<ApiDeps, 'encoders' | 'classifiers' | 'watch' | 'keys'>,
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
  const countKey = addUsageByKey(registers)
  const inFlight = new Gauge({
    name: 'espalier_http_requests_in_flight',
    help: 'Requests being answered.',
    registers,
  })
  addEncoderMetrics(registry, encoders)
  addHeadMetrics(registry, classifiers)
  addShadowMetrics(registry, classifiers)
  addAnswerMetrics(registry, watch)
  addRegistryMetrics(registry, classifiers)
  if (keys) addKeyMetrics(registry, keys)

  return {
    inFlight,
    observe(method, route, status, durationMs, record) {
      const { usage, errorCode } = record
      countKey(record, status)
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

/** What each API key uses. Names are those of the configuration, so that there are as many series as keys. */
function addUsageByKey(registers: Registry[]): (record: RequestRecord, status: number) => void {
  const requests = new Counter({
    name: 'espalier_key_requests_total',
    help: 'Requests by API key and result: answered, limited (429), refused, failed.',
    labelNames: ['key', 'result'],
    registers,
  })
  const byKey = (name: string, help: string) =>
    new Counter({ name, help, labelNames: ['key'], registers })
  const inputs = byKey('espalier_key_inputs_total', 'Inputs encoded, by API key.')
  const tokens = byKey('espalier_key_tokens_total', 'Tokens encoded, by API key.')
  return ({ caller, usage }, status) => {
    if (caller === null) return
    const key = caller.name
    requests.inc({ key, result: resultOf(status) })
    if (!usage) return
    for (const each of usage.models) {
      inputs.inc({ key }, each.inputs)
      tokens.inc({ key }, each.tokens)
    }
  }
}

function resultOf(status: number): string {
  if (status < 400) return 'answered'
  if (status === 429) return 'limited'
  return status < 500 ? 'refused' : 'failed'
}
