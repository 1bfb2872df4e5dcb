import type { Encoder } from '../encoder/types.ts'
import { EspalierError, isEspalierError } from '../lib/errors.ts'
import {
  CHAMPION,
  formatModelVersion,
  isModelName,
  type ModelAddress,
  parseModelAddress,
} from '../lib/text/model-address.ts'
import { hint, say, task } from '../lib/wording.ts'
import { emptyState, type ModelState, versionOfAlias } from '../registry/records/state.ts'
import type { RegistryReader, RegistryVersion } from '../registry/types.ts'
import type { EncoderSources } from './encoder-sources.ts'

/** The encoder that a setting names, as the registry has it at this moment. */
export interface WantedEncoder {
  /** Null where the setting is no model's name: a folder. */
  readonly address: ModelAddress | null
  /** What the registry has under the name; null where it has no such encoder, or nothing that the name means yet. */
  readonly version: RegistryVersion | null
  /** Versions that there are; empty where the registry has no encoder of the name. */
  readonly versions: readonly number[]
}

/**
 * Looks a setting up in the registry: `name`, `name@alias` or `name@v7`; anything else is a folder.
 * @throws EspalierError `registry_unavailable`, `wrong_model_kind`, `version_not_found`
 */
export async function findWantedEncoder(
  registry: RegistryReader,
  setting: string,
  signal?: AbortSignal | undefined,
): Promise<WantedEncoder> {
  const address = readAddress(setting)
  if (!address) return { address, version: null, versions: [] }
  const { name, selector } = address
  const versions = await registry.listVersions(name, { signal })
  const newest = versions.at(-1)
  if (newest === undefined) return { address, version: null, versions }
  const reading = await registry.readState(name, { signal })
  const state = reading.status === 'found' ? reading.state : emptyState(name)
  const number = versionMeant(address, state)
  const version = await registry.getVersion(name, number ?? newest, { signal })
  if (version.kind !== 'embedding') {
    throw new EspalierError(
      'wrong_model_kind',
      `${formatModelVersion(version)} is a classifier; ESPALIER_ENCODER names an encoder`,
      { param: 'ESPALIER_ENCODER' },
    )
  }
  if (number !== null || selector.kind === 'default') {
    return { address, version: number === null ? null : version, versions }
  }
  throw unpromoted(address, versions)
}

/** The version that an address means for an encoder: its champion where it names none. */
function versionMeant({ selector }: ModelAddress, state: ModelState): number | null {
  if (selector.kind === 'version') return selector.version
  return versionOfAlias(state, selector.kind === 'alias' ? selector.alias : CHAMPION)
}

/** The error for an encoder none of whose versions is meant by the address. */
export function unpromoted(
  { name, selector }: ModelAddress,
  versions: readonly number[],
): EspalierError {
  const alias = selector.kind === 'alias' ? selector.alias : CHAMPION
  const latest = `${name}@v${versions.at(-1)}`
  return new EspalierError(
    'version_not_found',
    say`${name} has no ${alias}; name ${latest}, or ${hint(say`run ${task('promote', latest, { alias })}`, `promote it to ${alias}`)}`,
    { param: 'ESPALIER_ENCODER' },
  )
}

function readAddress(setting: string): ModelAddress | null {
  const at = setting.indexOf('@')
  const name = (at < 0 ? setting : setting.slice(0, at)).toLowerCase()
  if (!isModelName(name)) return null
  try {
    return parseModelAddress(setting)
  } catch {
    return null
  }
}

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
