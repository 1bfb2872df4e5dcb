import type { Writable } from 'node:stream'
import cliProgress from 'cli-progress'
import type { Clock } from '../../../shared/lib/clock.ts'
import type { Progress } from '../../../shared/lib/logger.ts'
import { print, type Wording } from '../../../shared/lib/wording.ts'
import { COMMAND_LINE } from './report-error.ts'

/** A stream that may be a terminal. */
export type OutputStream = Writable & { readonly isTTY?: boolean; readonly columns?: number }

/** Progress of one command on stderr. */
export interface ProgressDisplay {
  /** Shows `done` of `total` units of a stage; a total of 0 is unknown. */
  readonly report: Progress
  /** Writes a line that stays, above the bar. */
  note(line: string): void
  /** Takes the bar away, or leaves it finished. Safe to call twice. */
  stop(): void
}

/** Between two lines where stderr is no terminal. */
const LINE_INTERVAL_MS = 5_000

const silent: ProgressDisplay = { report() {}, note() {}, stop() {} }

/** Shows what was taken for granted while rows were read, once each: a source may be read several times. */
export function noteReading({ note }: ProgressDisplay): (wording: Wording) => void {
  const shown = new Set<string>()
  return (wording) => {
    const line = print(wording, COMMAND_LINE)
    if (shown.has(line)) return
    shown.add(line)
    note(`note: ${line}`)
  }
}

/** A bar on a terminal, a line every few seconds elsewhere, nothing when quiet. */
export function createProgress(
  stream: OutputStream,
  clock: Clock,
  quiet: boolean,
): ProgressDisplay {
  if (quiet) return silent
  return stream.isTTY === true ? createBar(stream) : createLines(stream, clock)
}

function createBar(stream: OutputStream): ProgressDisplay {
  let bar: cliProgress.SingleBar | null = null
  let current = ''
  const stop = (): void => {
    bar?.stop()
    bar = null
    current = ''
  }
  return {
    report(stage, done, total, detail) {
      const known = total > 0
      if (stage !== current) {
        stop()
        current = stage
        bar = new cliProgress.SingleBar(
          {
            stream,
            format: known
              ? `{stage} [{bar}] {percentage}% | {value}/{total} | ${detail === undefined ? '{eta_formatted} left' : '{detail}'}`
              : '{stage} {value}',
            formatTime: formatRemaining,
            etaBuffer: 50,
            hideCursor: null,
            linewrap: null,
            barsize: 30,
          },
          cliProgress.Presets.legacy,
        )
        bar.start(known ? total : done, done, { stage, detail })
      }
      bar?.setTotal(known ? total : done)
      bar?.update(done, { detail })
    },
    note(line) {
      stop()
      stream.write(`${line}\n`)
    },
    stop,
  }
}

/** `12s`, `3m 05s`, `2h 04m`; the bar says a word where it knows no number yet. */
function formatRemaining(seconds: number | string): string {
  if (typeof seconds !== 'number') return '?'
  const two = (value: number): string => String(Math.floor(value)).padStart(2, '0')
  if (seconds < 60) return `${Math.floor(seconds)}s`
  if (seconds < 3600) return `${Math.floor(seconds / 60)}m ${two(seconds % 60)}s`
  return `${Math.floor(seconds / 3600)}h ${two((seconds % 3600) / 60)}m`
}

function createLines(stream: OutputStream, clock: Clock): ProgressDisplay {
  let lastMs = clock.monotonicMs()
  return {
    report(stage, done, total, detail = '') {
      const now = clock.monotonicMs()
      if (now - lastMs < LINE_INTERVAL_MS) return
      lastMs = now
      const of = total > 0 ? ` of ${total} (${Math.floor((done / total) * 100)}%)` : ''
      stream.write(`${stage}: ${done}${of}${detail === '' ? '' : `, ${detail}`}\n`)
    },
    note(line) {
      stream.write(`${line}\n`)
    },
    stop() {},
  }
}
