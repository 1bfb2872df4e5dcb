import { resolve, sep } from 'node:path'
import type { BulkPlace } from '../../../../shared/bulk/place.ts'
import type { Share } from '../../../../shared/bulk/plan.ts'
import type { BulkSummary } from '../../../../shared/bulk/run-bulk.ts'
import { EspalierError, isEspalierError } from '../../../../shared/lib/errors.ts'
import type { Boot } from '../../../boot/types.ts'
import type { CommandContext } from '../../context.ts'
import { type InputOptions, rowReading } from '../../options/input.ts'
import { formatCount } from '../../output/number-format.ts'
import { noteReading } from '../../output/progress.ts'
import { describeError, EXIT_RETRY, toOneLine } from '../../output/report-error.ts'
import { openBulkEngine } from './engine.ts'
import type { BulkOptions } from './options.ts'

/** What passes by itself: the same again may well succeed. */
const PASSING = [
  'registry_unavailable',
  'overloaded',
  'deadline_exceeded',
  'model_loading',
  'shutting_down',
] as const

/** Does this worker's share of the input; a failure that passes has an exit code of its own. */
export async function bulkFiles(
  context: CommandContext,
  input: string,
  options: BulkOptions,
): Promise<void> {
  checkOptions(input, options)
  const boot = await context.boot()
  try {
    await runFiles(context, boot, input, options)
  } catch (error) {
    if (context.signal.aborted || !PASSING.some((code) => isEspalierError(error, code))) throw error
    context.stderr.write(`espalier: ${toOneLine(describeError(error))}; try again\n`)
    context.exitWith(EXIT_RETRY)
  }
}

async function runFiles(
  context: CommandContext,
  boot: Boot,
  input: string,
  options: BulkOptions,
): Promise<void> {
  const { signal, clock } = context
  const share = findShare(boot, options.shard)
  const display = context.progress(options.quiet === true)
  const places: BulkPlace[] = []
  const open = async (url: string, format?: InputOptions['format']): Promise<BulkPlace> => {
    const place = await boot.openBulkPlace(url, format)
    places.push(place)
    return place
  }
  try {
    const [{ planBulk }, { runBulk }] = await Promise.all([
      import('../../../../shared/bulk/plan.ts'),
      import('../../../../shared/bulk/run-bulk.ts'),
    ])
    const from = await open(input, options.format)
    const output = await open(options.output)
    const { to, idColumn, prompt, normalize } = options
    const anyName = options.format !== undefined
    const plan = await planBulk(from, { share, to, anyName, signal })
    const onNote = noteReading(display)
    let startedMs = clock.monotonicMs()
    const summary = await runBulk({
      input: from,
      output,
      plan,
      reading: { ...rowReading(boot, options, { signal, onNote }), idColumn },
      format: { to, prompt, normalize },
      async openEngine() {
        const opened = await openBulkEngine(boot, { output, options, display, signal })
        startedMs = clock.monotonicMs()
        return opened
      },
      onFailure: (_, error) => display.note(`espalier: ${toOneLine(describeError(error))}`),
      onProgress: display.report,
      signal,
    })
    display.stop()
    const seconds = (clock.monotonicMs() - startedMs) / 1000
    if (options.json === true) {
      await context.print(JSON.stringify({ ...summary, share, seconds }, null, 2))
    } else await context.print(describe(summary, share, seconds))
    checkFailed(summary)
  } finally {
    display.stop()
    await Promise.all(places.map((place) => place.close()))
  }
}

function checkOptions(input: string, options: BulkOptions): void {
  const fail = (message: string): never => {
    throw new EspalierError('invalid_request', message)
  }
  const { output, classifier, to, normalize } = options
  if (isInside(input, output) || isInside(output, input)) {
    fail(`--output ${output}: results must not lie among the files that are read (${input})`)
  }
  if (classifier === undefined) return
  if (to === 'npy') fail('--to npy is for vectors; labels are written as jsonl')
  if (!normalize) fail('--no-normalize is for vectors; a classifier takes its own')
}

function isInside(inner: string, outer: string): boolean {
  const [a, b] = [canonical(inner), canonical(outer)]
  return a === b || a.startsWith(b.endsWith(sep) ? b : b + sep)
}

function canonical(place: string): string {
  return place.startsWith('s3://') ? place.split('?')[0]!.replace(/\/+$/, '') : resolve(place)
}

/** The share asked for, or that of a child of an array job. */
function findShare({ config }: Boot, asked: Share | undefined): Share {
  const { arrayIndex: index, arraySize: count } = config
  if (asked !== undefined) return asked
  if (index === undefined) return { index: 0, count: 1 }
  if (count !== undefined && index < count) return { index, count }
  throw new EspalierError(
    'invalid_request',
    count === undefined
      ? 'AWS_BATCH_JOB_ARRAY_INDEX is set, AWS_BATCH_JOB_ARRAY_SIZE is not; pass --shard i/n'
      : `AWS_BATCH_JOB_ARRAY_INDEX ${index} is not below AWS_BATCH_JOB_ARRAY_SIZE ${count}`,
  )
}

function describe(summary: BulkSummary, share: Share, seconds: number): string {
  const { files, skipped, rows, bad, tokens, truncated } = summary
  const of = share.count > 1 ? ` of share ${share.index}/${share.count}` : ''
  const before = skipped > 0 ? `, ${skipped} there already` : ''
  const rate = seconds > 0 ? `, ${Math.round(tokens / seconds)} tokens/s` : ''
  const cut = truncated > 0 ? `, ${truncated} cut at the encoder's limit` : ''
  const faulty = bad > 0 ? `, ${formatCount(bad, 'bad row')} set aside` : ''
  return (
    `${formatCount(files, 'file')}${of} done${before}: ${formatCount(rows, 'row')} ` +
    `(${tokens} tokens) in ${seconds.toFixed(1)} s${rate}${cut}${faulty}`
  )
}

/** @throws EspalierError `invalid_data` where a file could not be read */
function checkFailed({ failed, files, skipped }: BulkSummary): void {
  if (failed === 0) return
  const all = failed + files + skipped
  throw new EspalierError('invalid_data', `${failed} of ${formatCount(all, 'file')} cannot be read`)
}
