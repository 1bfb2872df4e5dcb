import type { TemplateResource } from './synthesize.ts'

interface Query {
  readonly Id: string
  readonly Expression?: string
}

/** Whether an alarm on the share of errors goes off, for so many errors among so many requests of a minute. */
export function readErrorGuard(
  properties: TemplateResource['Properties'],
): (errors: number, requests: number) => boolean {
  const { Metrics, Threshold } = properties as { Metrics: Query[]; Threshold: number }
  const expression = Metrics.find(({ Expression }) => Expression !== undefined)?.Expression ?? ''
  const pattern = /^IF\(errors >= ([0-9.]+) AND errors > requests \* ([0-9.]+), 1, 0\)$/
  const [, least, share] = pattern.exec(expression) ?? []
  if (!least || !share) throw new Error(`${expression} is no share of errors`)
  return (errors, requests) => {
    const value = errors >= Number(least) && errors > requests * Number(share) ? 1 : 0
    return value > Threshold
  }
}
