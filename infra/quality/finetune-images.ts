import { execFile } from 'node:child_process'
import { cp, mkdir, mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { createRandom } from '../../shared/lib/maths/random.ts'
import type { ReportFineTuning } from '../../shared/reports/types.ts'

const execute = promisify(execFile)
const CLI = fileURLToPath(new URL('../../dist/cli.js', import.meta.url))
const MAX_OUTPUT_BYTES = 64 << 20

/** One run of `espalier finetune` on images. */
export interface ImageRun {
  /** Folders with a folder for each label. */
  readonly train: string
  readonly test: string
  /** Images to learn from, the same number of each label, drawn by the seed; null for all. */
  readonly size: number | null
  readonly seed: number
  /** Further options of the command. */
  readonly options: readonly string[]
}

/** What the command says of it. */
export interface ImageRunResult {
  readonly rows: number
  readonly fineTuning: ReportFineTuning
  /** Of the whole command, and of the training itself. */
  readonly seconds: number
  readonly trainingSeconds: number
}

/** Runs the built command in a process of its own and publishes nothing. */
export async function runFineTune(run: ImageRun): Promise<ImageRunResult> {
  const scratch = await mkdtemp(join(tmpdir(), 'espalier-quality-'))
  try {
    const folder = run.size === null ? run.train : await drawFolder(run, join(scratch, 'drawn'))
    const args = [
      ...[CLI, 'finetune', folder, '--test', run.test, '--name', 'quality', '--dry-run'],
      ...['--json', '--no-thumbnails', '-q', '--seed', String(run.seed), ...run.options],
    ]
    const startedMs = performance.now()
    const { stdout } = await execute(process.execPath, args, { maxBuffer: MAX_OUTPUT_BYTES })
    const seconds = (performance.now() - startedMs) / 1000
    const { report } = JSON.parse(stdout) as {
      report: { split: { trainRows: number }; fineTuning: ReportFineTuning }
    }
    const { fineTuning, split } = report
    const trainingSeconds = fineTuning.curve.at(-1)?.seconds ?? 0
    return { rows: split.trainRows, fineTuning, seconds, trainingSeconds }
  } finally {
    await rm(scratch, { recursive: true, force: true })
  }
}

/** Copies some of the images: a file's links are not followed, so that they would be no images. */
async function drawFolder({ train, size, seed }: ImageRun, target: string): Promise<string> {
  const labels = (await readdir(train)).sort()
  for (const label of labels) {
    const names = (await readdir(join(train, label))).sort()
    const order = createRandom(seed).shuffle(Int32Array.from(names, (_, at) => at))
    await mkdir(join(target, label), { recursive: true })
    for (const at of order.subarray(0, Math.floor((size ?? 0) / labels.length))) {
      const name = names[at] as string
      await cp(join(train, label, name), join(target, label, name))
    }
  }
  return target
}
