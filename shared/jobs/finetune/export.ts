import { mkdir, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import type { Progress } from '../../lib/logger.ts'
import type { Precision } from '../../lib/manifests/encoder-manifest.ts'
import type { FineTuneDeps } from './request.ts'

/** A few hundred texts settle the ranges; more only take longer. */
const MAX_LINES = 1_000
const MAX_OWN_LINES = 600
/** Longer texts teach nothing new about ranges. */
const MAX_LINE_LENGTH = 2_000
/** Left by a process that died longer ago than any training takes. */
const STALE_MS = 2 * 24 * 3_600_000

/**
 * Exports tuned weights to float32 and int8. The ranges that ship with the base do not fit them: they are
 * measured on the default texts and on an even sample of the training texts. Returns the artifact folder.
 */
export async function exportTuned(
  deps: Pick<FineTuneDeps, 'exportEncoder' | 'calibrationTexts'>,
  request: {
    readonly weights: string
    readonly scratch: string
    readonly name: string
    readonly precisions: readonly Precision[]
    readonly texts: readonly string[]
    readonly onProgress?: Progress | undefined
    readonly signal?: AbortSignal | undefined
  },
): Promise<string> {
  const { weights, scratch, name, precisions, texts, onProgress, signal } = request
  const calibration = join(scratch, 'calibration.txt')
  const defaults = (await readFile(deps.calibrationTexts, 'utf8')).split('\n').filter(Boolean)
  const own = sampleEvenly(texts, MAX_OWN_LINES)
  const lines = [...sampleEvenly(defaults, MAX_LINES - own.length), ...own].map(toLine)
  await writeFile(calibration, `${lines.join('\n')}\n`)
  const folder = join(scratch, 'encoder')
  await deps.exportEncoder({
    folder: weights,
    output: folder,
    name,
    precisions,
    calibration,
    onProgress,
    signal,
  })
  return folder
}

/** Exports a tuned image network, which runs in float32. Returns the artifact folder. */
export async function exportTunedImages(
  { exportImageEncoder }: Pick<FineTuneDeps, 'exportImageEncoder'>,
  request: {
    readonly weights: string
    readonly scratch: string
    readonly name: string
    readonly onProgress?: Progress | undefined
    readonly signal?: AbortSignal | undefined
  },
): Promise<string> {
  const { weights, scratch, ...common } = request
  const folder = join(scratch, 'encoder')
  await exportImageEncoder({ ...common, folder: weights, output: folder })
  return folder
}

function sampleEvenly(texts: readonly string[], count: number): string[] {
  const stride = Math.max(1, texts.length / count)
  return Array.from(
    { length: Math.min(count, texts.length) },
    (_, i) => texts[Math.floor(i * stride)]!,
  )
}

function toLine(text: string): string {
  return text.replace(/\s+/g, ' ').slice(0, MAX_LINE_LENGTH)
}

/** Makes a folder for one training, beside which it removes what dead ones left; the caller removes it. */
export async function makeScratch(folder: string, nowMs: number): Promise<void> {
  const parent = dirname(folder)
  await mkdir(folder, { recursive: true })
  for (const name of await readdir(parent)) {
    const path = join(parent, name)
    const info = await stat(path).catch(() => null)
    if (info !== null && nowMs - info.mtimeMs > STALE_MS) {
      await rm(path, { recursive: true, force: true })
    }
  }
}
