import type { Encoder, EncoderInfo } from '../encoder/types.ts'
import { EspalierError } from '../lib/errors.ts'
import { CHAMPION, formatModelVersion, parseModelAddress } from '../lib/model-address.ts'
import { nearestName } from '../lib/nearest.ts'

/** A served encoder as lists show it. */
export interface EncoderEntry {
  readonly kind: 'embedding'
  readonly info: EncoderInfo
  readonly versions: readonly number[]
  readonly aliases: Readonly<Record<string, number>>
  /** Unix seconds. */
  readonly createdSeconds: number
}

/** The encoders that a process serves. Resolving is instant: what is listed is loaded. */
export interface EncoderDirectory {
  /**
   * Finds what a client names; without a name the default encoder.
   * @throws EspalierError `invalid_name`, `model_not_found`, `version_not_found`
   */
  resolve(address?: string): Encoder
  /** The default encoder first. */
  list(): readonly EncoderEntry[]
}

/**
 * Finds the entry that a bare name means in a list of models of any kind.
 * @throws EspalierError `invalid_name`, `model_not_found`
 */
export function findModel<T extends { readonly info: { readonly name: string } }>(
  entries: readonly T[],
  name: string,
): T {
  const found = entries.find(({ info }) => info.name === name)
  if (found) return found
  const names = entries.map(({ info }) => info.name)
  const nearest = nearestName(name, names)
  const hint = nearest ? ` (did you mean "${nearest}"?)` : ''
  throw new EspalierError(
    'model_not_found',
    `there is no model "${name}"${hint}; there is: ${names.slice(0, 20).join(', ') || 'none'}`,
    { param: 'model' },
  )
}

/** A directory of encoders loaded once at start; each has one version, which is its champion. */
export function createStaticDirectory(
  encoders: readonly [Encoder, ...Encoder[]],
  createdSeconds: number,
): EncoderDirectory {
  const entries = encoders.map((encoder) => ({
    kind: 'embedding' as const,
    encoder,
    info: encoder.info,
    versions: [encoder.info.version],
    aliases: { [CHAMPION]: encoder.info.version },
    createdSeconds,
  }))

  return {
    resolve(address) {
      if (address === undefined) return encoders[0]
      const { name, selector } = parseModelAddress(address)
      const { encoder } = findModel(entries, name)
      const { version } = encoder.info
      const matches =
        selector.kind === 'default' ||
        (selector.kind === 'version' && selector.version === version) ||
        (selector.kind === 'alias' && selector.alias === CHAMPION)
      if (matches) return encoder
      throw new EspalierError(
        'version_not_found',
        `there is no "${address}"; "${name}" has ${formatModelVersion(encoder.info)} (${CHAMPION})`,
        { param: 'model' },
      )
    },
    list: () => entries,
  }
}
