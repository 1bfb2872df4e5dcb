import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { z } from 'zod'
import { type ArtifactOptions, listBuiltins } from '../encoders/encoder-artifacts.ts'
import { CHAMPION } from '../lib/text/model-address.ts'
import type { ModelSummary } from './model-summary.ts'

const hiddenSchema = z.looseObject({ hidden_size: z.number() })

/** The built-in encoders as lists show them, read from their configuration without an export. */
export async function summarizeBuiltins(
  options: Pick<ArtifactOptions, 'builtinFolder'>,
): Promise<ModelSummary[]> {
  const builtins = await listBuiltins(options)
  return Promise.all(
    builtins.map(async ({ name, folder, family, bytes, dimension }) => {
      const path = join(options.builtinFolder, folder, 'config.json')
      const readWidth = async () => hiddenSchema.parse(JSON.parse(await readFile(path, 'utf8')))
      return {
        name,
        kind: 'embedding' as const,
        source: 'built-in' as const,
        versions: [1],
        aliases: { [CHAMPION]: 1 },
        traffic: null,
        shadow: null,
        bytes,
        family,
        dimension: dimension ?? (await readWidth()).hidden_size,
        labels: null,
      }
    }),
  )
}
