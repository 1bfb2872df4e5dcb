import { Counter, Gauge, type Registry } from 'prom-client'

/** The bodies that are arriving, and how many were given up since the start, by reason. */
interface WaitingCounts {
  readonly bodies: number
  readonly bytes: number
  readonly refused: Readonly<Record<string, number>>
}

/** The bodies that are still arriving, and those that were not waited for; read when somebody asks. */
export function addBodyMetrics(registry: Registry, read: () => WaitingCounts): void {
  const registers = [registry]
  const gauges = [
    ['bodies', 'Request bodies that are still arriving.'],
    ['bytes', 'Bytes that have come of request bodies that are still arriving.'],
  ] as const
  for (const [key, help] of gauges) {
    new Gauge({
      name: `espalier_waiting_${key}`,
      help,
      registers,
      collect() {
        this.set(read()[key])
      },
    })
  }
  new Counter({
    name: 'espalier_bodies_refused_total',
    help: 'Request bodies given up on their way: slow, silent while others had to wait, or no room for their bytes.',
    labelNames: ['reason'],
    registers,
    collect() {
      this.reset()
      for (const [reason, count] of Object.entries(read().refused)) {
        this.inc({ reason }, count)
      }
    },
  })
}

/** Counts the requests that Node's HTTP parser and timers refuse, most of them before a route sees them. */
export function countUnparsed(registry: Registry): (code: string) => void {
  const counter = new Counter({
    name: 'espalier_http_unparsed_requests_total',
    help: 'Requests that the HTTP parser and its timers refused, by code.',
    labelNames: ['code'],
    registers: [registry],
  })
  return (code) => counter.inc({ code })
}
