import type { Encoder, EncoderInfo } from '../encoder/types.ts'
import type { EncoderLease } from '../encoders/encoder-pools.ts'
import { EspalierError } from '../lib/errors.ts'
import { CHAMPION, formatModelVersion, parseModelAddress } from '../lib/text/model-address.ts'
import { nearestName } from '../lib/text/nearest.ts'

/** A served encoder as lists show it. */
export interface EncoderEntry {
  readonly kind: 'embedding'
  readonly info: EncoderInfo
  readonly versions: readonly number[]
  readonly aliases: Readonly<Record<string, number>>
  /** Unix seconds. */
  readonly createdSeconds: number
}

/** What is open, for metrics. */
export interface EncoderStats {
  /** Memory that the open encoders take; null where nobody keeps count. */
  readonly bytes: number | null
  /** New versions that were refused, so far. */
  readonly refused: number
}

/** The encoders that a process serves. */
export interface EncoderDirectory {
  /**
   * Finds what a client names among the open encoders, to be looked at; without a name the default encoder.
   * @throws EspalierError `invalid_name`, `model_not_found`, `version_not_found`
   */
  resolve(address?: string): Encoder
  /**
   * Finds what a client names and keeps it open until it is released; one of the registry is opened where it is not.
   * @throws EspalierError as `resolve`, `overloaded`, and whatever opening can throw
   */
  acquire(address?: string): Promise<EncoderLease>
  /** What is open, the default encoder first. */
  list(): readonly EncoderEntry[]
  open(): readonly Encoder[]
  stats(): EncoderStats
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

  const directory: EncoderDirectory = {
    async acquire(address) {
      return { encoder: directory.resolve(address), release: () => {} }
    },
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
    open: () => encoders,
    stats: () => ({ bytes: null, refused: 0 }),
  }
  return directory
}
