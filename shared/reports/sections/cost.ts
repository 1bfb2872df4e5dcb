import { formatBytes, formatCount, formatDuration, formatNumber } from '../format.ts'
import type { TrainingReport } from '../types.ts'
import { plainSection } from './plain.ts'

/** What the head takes in memory and time, where it was trained. */
export const costSection = plainSection('Cost', (report) => {
  const { cost, sizes, timings } = report
  if (cost === undefined) return null
  const rows: [string, string][] = [['Head in memory', formatBytes(sizes.headBytes)]]
  if (cost.neighbourBytes > 0) {
    const { neighbourBytes } = cost
    rows.push([
      'of these the neighbours',
      `${formatBytes(neighbourBytes)}, ${formatCount(sizes.neighbourRows)} rows`,
    ])
  }
  rows.push(['Head, a row', tellMicroseconds(cost.headMicroseconds)])
  if (cost.encoderMilliseconds !== null) {
    rows.push(['Encoder, an input', `${formatNumber(cost.encoderMilliseconds, 1)} ms`])
  }
  const total = timings.reduce((sum, { milliseconds }) => sum + milliseconds, 0)
  if (timings.length > 0) rows.push(['Training, all stages', formatDuration(total)])
  return {
    sentences: [tellServing(report)],
    table: { label: 'What the head takes', header: ['What', 'Value'], rows },
  }
})

function tellMicroseconds(microseconds: number | null): string {
  return microseconds === null ? '' : `${formatNumber(microseconds, 1)} µs`
}

function tellServing({ cost, dataset }: TrainingReport): string {
  const input = dataset.modality === 'image' ? 'an image' : 'a text'
  const measured =
    'Times are those of batches on the machine that trained; docs/performance.md has what a server reaches, ' +
    'docs/deploy.md what it costs on AWS.'
  const { encoderMilliseconds: encoder = null, headMicroseconds: head = null } = cost ?? {}
  if (encoder === null || head === null || head <= 0) return measured
  const times = (1_000 * encoder) / head
  return times >= 2
    ? `The encoder takes ${formatCount(times)} times as long for ${input} as the head; heads on one encoder share its vectors. ${measured}`
    : measured
}
