import { parseModelAddress } from '../lib/text/model-address.ts'
import type { RegistryReader, RegistryVersion } from '../registry/types.ts'

/**
 * The encoder that a head was trained on, as one opens it: its version where the registry has it, else the name of
 * a built-in one. Undefined where the version does not say.
 */
export async function encoderOfHead(
  registry: RegistryReader,
  { lineage }: Pick<RegistryVersion, 'lineage'>,
  signal?: AbortSignal | undefined,
): Promise<string | undefined> {
  const encoder = lineage?.encoder
  if (typeof encoder !== 'string') return undefined
  const { name } = parseModelAddress(encoder)
  const versions = await registry.listVersions(name, { signal })
  return versions.length > 0 ? encoder : name
}
