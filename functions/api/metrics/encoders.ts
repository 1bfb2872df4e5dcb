import { Counter, Gauge, type Registry } from 'prom-client'
import type { ApiDeps } from '../types.ts'

/** Which encoders are open and what they take; read when somebody asks. */
export function addLiveEncoderMetrics(registry: Registry, encoders: ApiDeps['encoders']): void {
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
  if (encoders.stats().bytes === null) return
  new Gauge({
    name: 'espalier_encoders_bytes',
    help: 'Memory that open encoders are reckoned to take.',
    registers,
    collect() {
      this.set(encoders.stats().bytes ?? 0)
    },
  })
}
