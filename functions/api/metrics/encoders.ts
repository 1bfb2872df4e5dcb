import { Counter, Gauge, type Registry } from 'prom-client'
import type { ApiDeps } from '../types.ts'

type EncoderLoad = ReturnType<ReturnType<ApiDeps['encoders']['resolve']>['load']>

/** What the encoders do and what they take; read when somebody asks. */
export function addEncoderMetrics(registry: Registry, encoders: ApiDeps['encoders']): void {
  addLoadMetrics(registry, encoders)
  addOpenMetrics(registry, encoders)
}

/** What `load` of the encoders says. */
function addLoadMetrics(registry: Registry, encoders: ApiDeps['encoders']): void {
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
  counter(
    'espalier_stuck_workers_total',
    'Workers that did not come back from a run and were given up.',
    () => sum((load) => load.stuckWorkers),
  )
  gauge('espalier_abandoned_workers', 'Workers given up that are still inside their run.', () =>
    sum((load) => load.abandonedWorkers),
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

/** Which encoders are open and what they take. */
function addOpenMetrics(registry: Registry, encoders: ApiDeps['encoders']): void {
  const registers = [registry]
  new Gauge({
    name: 'espalier_encoder_info',
    help: 'The encoders that are open: always 1.',
    labelNames: ['model', 'fingerprint', 'device', 'precision', 'default'],
    registers,
    collect() {
      this.reset()
      const current = encoders.resolve()
      for (const encoder of encoders.open()) {
        const { name, version, fingerprint, device, precision } = encoder.info
        const isDefault = String(encoder === current)
        const model = `${name}@v${version}`
        this.set({ model, fingerprint, device, precision, default: isDefault }, 1)
      }
    },
  })
  new Counter({
    name: 'espalier_encoders_refused_total',
    help: 'New versions of the default encoder refused; the old one kept serving.',
    registers,
    collect() {
      this.reset()
      this.inc(encoders.stats().refused)
    },
  })
  new Gauge({
    name: 'espalier_encoders_bytes',
    help: 'Memory that open encoders are reckoned to take.',
    registers,
    collect() {
      this.set(encoders.stats().bytes)
    },
  })
}
