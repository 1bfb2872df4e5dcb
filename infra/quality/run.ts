/**
 * Measures `espalier train` on public data sets with the encoder that the configuration names.
 *
 *   npm run quality -- FOLDER [--only banking77] [--method auto] [--sizes 8,16,all] [--seeds 10]
 */
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { createBoot } from '../../functions/boot/boot.ts'
import { embedForJob } from '../../shared/jobs/rows/embed-for-job.ts'
import { METHODS } from '../../shared/training/catalogue/methods.ts'
import type { Method } from '../../shared/training/types.ts'
import { formatQuality, measureQuality } from './measure.ts'
import { readQualitySets } from './sets.ts'

const USAGE = `npm run quality -- FOLDER [options]

  FOLDER          holds banking77, clinc150, snips, trec and sms-spam as their authors publish them
  --only NAME     one data set
  --method NAME   ${METHODS.join(', ')}; default auto
  --sizes LIST    rows per class; default 8,16,all
  --seeds N       draws of each size but all; default 10`

async function main(args: readonly string[]): Promise<void> {
  const { values, positionals } = parseArgs({
    args: [...args],
    allowPositionals: true,
    options: {
      only: { type: 'string', default: '' },
      method: { type: 'string', default: 'auto' },
      sizes: { type: 'string', default: '8,16,all' },
      seeds: { type: 'string', default: '10' },
      help: { type: 'boolean', default: false },
    },
  })
  const [folder] = positionals
  const method = METHODS.find((name) => name === values.method)
  const seeds = Number(values.seeds)
  const sizes = values.sizes.split(',').map((size) => (size === 'all' ? null : Number(size)))
  const valid = sizes.every((size) => size === null || (Number.isInteger(size) && size > 0))
  if (values.help || !folder || !method || !valid || !Number.isInteger(seeds) || seeds < 1) {
    process.stderr.write(`${USAGE}\n`)
    process.exitCode = values.help ? 0 : 2
    return
  }
  await run(folder, values.only, method, sizes, seeds)
}

async function run(
  folder: string,
  only: string,
  method: Method,
  sizes: readonly (number | null)[],
  seeds: number,
): Promise<void> {
  const boot = createBoot({ root: new URL('../../', import.meta.url), version: 'quality' })
  const kernels = await boot.openKernels()
  const embed = async (texts: readonly string[]): Promise<Float32Array> => {
    const job = {
      openEncoder: () => boot.openEncoder(),
      embeddingFolder: join(boot.cacheFolder, 'embeddings'),
      log: boot.log,
    }
    const { embeddings } = await embedForJob(job, texts, { check: () => {} })
    return embeddings
  }
  const sets = (await readQualitySets(folder)).filter(({ name }) => name.includes(only))
  const results = await measureQuality(sets, embed, kernels, {
    method,
    sizes: sizes.map((perClass) => ({ perClass, seeds: perClass === null ? 1 : seeds })),
    onResult: (result) => {
      const size = result.perClass ?? 'all'
      process.stderr.write(`${result.set} ${size}: ${result.accuracy.toFixed(1)} %\n`)
    },
  })
  await kernels.close()
  process.stdout.write(`${formatQuality(results)}\n`)
}

await main(process.argv.slice(2))
