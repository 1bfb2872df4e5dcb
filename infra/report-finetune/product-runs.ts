import { randomUUID } from 'node:crypto'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { openFileSource } from '../../shared/dataset/source.ts'
import { fineTuneClassifier } from '../../shared/jobs/finetune/finetune.ts'
import type { TuningOptions } from '../../shared/jobs/finetune/request.ts'
import { systemClock } from '../../shared/lib/clock.ts'
import { openRegistry } from '../../shared/registry/registry.ts'
import { openMemoryStore } from '../../shared/registry/stores/memory/store.ts'
import type { ReportContender, ReportFineTuning } from '../../shared/reports/types.ts'
import type { LabelledText } from '../quality/sets.ts'
import type { StudyParts } from './study-parts.ts'

/** What a run of the product is given. */
export interface ProductRun {
  readonly train: readonly LabelledText[]
  readonly test: readonly LabelledText[]
  readonly seed: number
  readonly tuning?: Partial<TuningOptions> | undefined
}

/** What the product reports of it: the frozen head first, then the tuned one at each precision. */
export interface ProductResult {
  readonly contenders: readonly ReportContender[]
  readonly fineTuning: ReportFineTuning
  /** Why tuning does not pay, so that the frozen encoder is kept; null where it does. */
  readonly refusal: string | null
  readonly seconds: number
}

/** Runs `espalier finetune --dry-run` on rows, in this process. */
export async function runProduct(parts: StudyParts, run: ProductRun): Promise<ProductResult> {
  const { boot, scratch } = parts
  const write = async (rows: readonly LabelledText[]) => {
    const path = join(scratch, `${randomUUID()}.jsonl`)
    await writeFile(path, rows.map((row) => `${JSON.stringify(row)}\n`).join(''))
    return openFileSource(path, undefined)
  }
  const startedMs = systemClock.monotonicMs()
  const { report, refusal } = await fineTuneClassifier(
    {
      ...boot.fineTuning,
      registry: openRegistry(openMemoryStore()),
      openEncoder: (open) => boot.openEncoder(open),
      exportEncoder: (request) => boot.exportEncoder(request),
      exportImageEncoder: (request) => boot.exportImageEncoder(request),
      openThumbnailer: () => boot.openThumbnailer(),
      openKernels: () => boot.openKernels(),
      builtinEncoders: () => boot.builtinEncoders(),
      embeddingFolder: join(boot.cacheFolder, 'embeddings'),
      scratchFolder: scratch,
      log: boot.log,
      clock: systemClock,
    },
    {
      name: 'study',
      encoderName: 'study-encoder',
      base: boot.config.encoder,
      precision: 'int8',
      data: await write(run.train),
      test: await write(run.test),
      testFraction: 0,
      validationFraction: 0.1,
      seed: run.seed,
      method: 'auto',
      folds: 5,
      balance: false,
      memory: true,
      promote: 'no',
      dryRun: true,
      quoteTexts: false,
      command: 'npm run report:finetune',
      reading: {},
      tuning: {
        layers: { kind: 'all' },
        labelSmoothing: 0,
        threads: boot.fineTuning.threads,
        ...run.tuning,
      },
    },
  )
  const { fineTuning } = report
  if (fineTuning === undefined) throw new Error('the report tells nothing of a fine-tuning')
  const seconds = (systemClock.monotonicMs() - startedMs) / 1000
  return { contenders: fineTuning.contenders, fineTuning, refusal, seconds }
}
