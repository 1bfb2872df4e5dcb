import { openAtomicFile } from '../../../../shared/dataset/atomic-file.ts'
import type { MethodRow } from '../../../../shared/jobs/adapt/compare.ts'
import { formatShare } from '../../output/number-format.ts'
import { formatTable } from '../../output/table.ts'

/** One line a method; the star marks the one that is kept. */
export function formatMethods(methods: readonly MethodRow[]): string {
  const heading = ['METHOD', 'TARGET', '95 %', 'SOURCE', 'REVERSE', 'AGREES', 'MOVED']
  const rows = methods.map((row) => [
    `${row.method}${row.chosen ? ' *' : ''}`,
    formatShare(row.target?.accuracy),
    row.target === null
      ? '–'
      : `${formatShare(row.target.interval.low)} to ${formatShare(row.target.interval.high)}`,
    formatShare(row.sourceAccuracy),
    formatShare(row.reverse),
    formatShare(row.agreement),
    String(row.moved),
  ])
  return formatTable([heading, ...rows])
}

/** Writes a JSON line for each row of the target, if a file was asked for. */
export async function writePredictions(
  path: string | undefined,
  predictions: readonly { readonly label: string; readonly confidence: number | null }[],
): Promise<void> {
  if (path === undefined) return
  const file = await openAtomicFile(path)
  try {
    const encoder = new TextEncoder()
    for (let from = 0; from < predictions.length; from += 1024) {
      const lines = predictions
        .slice(from, from + 1024)
        .map((row, at) => `${JSON.stringify({ index: from + at, ...row })}\n`)
      await file.write(encoder.encode(lines.join('')))
    }
    await file.commit()
  } finally {
    await file.discard()
  }
}
