import type { Encoder } from '../encoder/types.ts'
import { isEspalierError } from '../lib/errors.ts'
import type { RegistryReader } from '../registry/types.ts'
import type { EncoderSources } from './encoder-sources.ts'
import { findWantedEncoder, unpromoted } from './wanted-encoder.ts'

/**
 * Opens the encoder that a name means: one of the registry, else a built-in one, else a folder.
 * @throws EspalierError `model_not_found`, `version_not_found`, `registry_unavailable`, and whatever opening can throw
 */
export async function openNamedEncoder(
  { registry, sources }: { readonly registry: RegistryReader; readonly sources: EncoderSources },
  name: string,
  signal?: AbortSignal | undefined,
): Promise<Encoder> {
  const { address, version, versions } = await findWantedEncoder(registry, name, signal)
  try {
    const source = version ? sources.ofVersion(version) : sources.ofLocal(name)
    return (await source.open(signal)).encoder
  } catch (error) {
    const isUnknown = !version && versions.length > 0 && isEspalierError(error, 'model_not_found')
    throw isUnknown && address ? unpromoted(address, versions) : error
  }
}
