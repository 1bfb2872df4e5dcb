import { openAtomicFile } from '../../shared/dataset/atomic-file.ts'
import type { MethodRow } from '../../shared/jobs/adapt/compare.ts'
import { ADAPT_METHODS, type AdaptMethod } from '../../shared/training/catalogue/adapt-methods.ts'
import type { Boot } from '../boot/types.ts'
import type { CommandContext } from './context.ts'
import type { EncoderOptions } from './job-parts.ts'
import type { LabelledInputOptions } from './labelled-input.ts'
import { formatShare } from './number-format.ts'
import type { ProgressDisplay } from './progress.ts'
import { formatTable } from './table.ts'

/** The options of `espalier adapt`. */
export interface AdaptOptions extends LabelledInputOptions, EncoderOptions {
  readonly name?: string
  readonly method: AdaptMethod
  readonly compare: boolean
  readonly ridge: number
  readonly seed: number
  readonly targetLabels?: string
  readonly predictions?: string
  readonly promote?: boolean
  readonly force?: boolean
  readonly idempotencyKey?: string
  readonly by?: string
  readonly reason?: string
  readonly description?: string
  readonly report?: string
  readonly quoteTexts?: boolean
  readonly dryRun?: boolean
  readonly sourceLabels?: string
  readonly features?: string
  readonly scale: 'none' | 'sum' | 'length'
  readonly export?: string
  readonly json?: boolean
  readonly quiet?: boolean
}

/** What a run works with. */
export interface AdaptRun {
  readonly context: CommandContext
  readonly boot: Boot
  readonly display: ProgressDisplay
}

/** The methods that are fitted for comparison. */
export function besideOf({ compare }: Pick<AdaptOptions, 'compare'>): readonly AdaptMethod[] {
  return compare ? ADAPT_METHODS : []
}

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
