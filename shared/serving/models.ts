import type { Encoder, EncoderInfo } from '../encoder/types.ts'
import type { EncoderLease } from '../encoders/encoder-pools.ts'
import { EspalierError } from '../lib/errors.ts'
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
  /** Memory that the open encoders take. */
  readonly bytes: number
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
