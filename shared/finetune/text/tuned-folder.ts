import type { TransformerConfig } from '../../exporter/architectures/architecture.ts'
import { deriveFolder } from '../../exporter/artifact/derived-folder.ts'
import { findPrefix, storedLayerNames } from '../../exporter/source/tensor-names.ts'
import { EspalierError } from '../../lib/errors.ts'
import { countElements } from '../../lib/maths/count-elements.ts'
import { createRandom, drawNormal, type Random } from '../../lib/maths/random.ts'

/** Standard deviation of BERT's initial weights (Devlin et al., 2019; `initializer_range`). */
const INITIAL_DEVIATION = 0.02

/** Trained values by our names: `layers.3.qkv.weight`. */
export type TrainedValues = ReadonlyMap<string, Float32Array>

/**
 * Writes the base's folder with trained weights in place of its own, stacked ones taken apart again.
 * @throws EspalierError `invalid_request` where the folder exists or cannot be written
 */
export async function writeTunedFolder(
  base: string,
  output: string,
  config: TransformerConfig,
  trained: TrainedValues,
): Promise<void> {
  const parts = locateParts(config, trained)
  await deriveFolder(base, output, async (name, shape, file) => {
    const part = parts.get(name.slice(findPrefix(file.names)?.length ?? 0))
    if (!part) return null
    const count = countElements(shape)
    if (part.length === count) return part
    throw new EspalierError('internal', `${name} has ${count} numbers, ${part.length} were trained`)
  })
}

/** Writes the base's folder as its training began: normal(0, 0.02), norms 1 and 0, biases 0. */
export async function writeRandomFolder(base: string, output: string, seed: number): Promise<void> {
  const random = createRandom(seed)
  await deriveFolder(base, output, async (name, shape) => {
    const count = countElements(shape)
    return initialValues(name, count, random)
  })
}

function initialValues(name: string, count: number, random: Random): Float32Array {
  const values = new Float32Array(count)
  if (name.endsWith('.bias')) return values
  if (/norm\.weight$/i.test(name)) return values.fill(1)
  return drawNormal(values, INITIAL_DEVIATION, random)
}

function locateParts(config: TransformerConfig, trained: TrainedValues): Map<string, Float32Array> {
  const stored = storedLayerNames(config)
  const parts = new Map<string, Float32Array>()
  for (const [name, values] of trained) {
    const names = stored.get(name)
    if (!names) throw new EspalierError('internal', `no place in the folder for ${name}`)
    const size = values.length / names.length
    for (const [at, part] of names.entries()) {
      parts.set(part, values.subarray(at * size, (at + 1) * size))
    }
  }
  return parts
}
