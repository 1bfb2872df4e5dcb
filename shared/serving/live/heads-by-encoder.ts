import type { Encoder } from '../../encoder/types.ts'
import type { EncoderLease } from '../../encoders/encoder-pools.ts'
import type { ModelChange } from '../../following/model-changes.ts'
import type { FollowedModel } from '../../following/registry-follower.ts'
import type { RegistryVersion } from '../../registry/types.ts'
import type { HeadStack } from './head-stack.ts'

/** Encoders by the family of their vectors. */
export interface FamilyEncoders {
  /**
   * The encoder that a head's vectors come from.
   * @throws EspalierError `family_mismatch` where there is none, and whatever opening one can throw
   */
  acquireFor(version: RegistryVersion): Promise<EncoderLease>
  /** The same where the encoder is open, at once; else null. */
  holdFor(version: RegistryVersion): EncoderLease | null
}

/** One encoder and the heads in its projection. */
export interface EncoderHeads {
  readonly encoder: Encoder
  readonly stack: HeadStack
}

/** An encoder with its heads, open until it is released. */
export interface EncoderHeadsLease {
  readonly group: EncoderHeads
  release(): void
}

/** The open encoders that heads read, each with its heads. */
export class HeadsByEncoder {
  readonly #encoders: FamilyEncoders
  readonly #createStack: (encoder: Encoder) => HeadStack
  readonly #byEncoder = new WeakMap<Encoder, EncoderHeads>()

  constructor(encoders: FamilyEncoders, createStack: (encoder: Encoder) => HeadStack) {
    this.#encoders = encoders
    this.#createStack = createStack
  }

  /** The encoder of a head, with its heads, where it is open; else null. */
  hold(version: RegistryVersion): EncoderHeadsLease | null {
    const lease = this.#encoders.holdFor(version)
    return lease && { group: this.of(lease.encoder), release: lease.release }
  }

  /** @throws EspalierError as `acquireFor` */
  async acquire(version: RegistryVersion): Promise<EncoderHeadsLease> {
    const { encoder, release } = await this.#encoders.acquireFor(version)
    return { group: this.of(encoder), release }
  }

  /** The heads of an encoder that the caller keeps open. */
  of(encoder: Encoder): EncoderHeads {
    const found = this.#byEncoder.get(encoder)
    if (found) return found
    const group = { encoder, stack: this.#createStack(encoder) }
    this.#byEncoder.set(encoder, group)
    return group
  }
}

/** What heads do when the default encoder moves. */
export interface EncoderUsers {
  /** Makes the heads in use ready on an encoder that is about to become the default. */
  warm(encoder: Encoder): Promise<void>
  /** True while requests may ask for heads that read this family. */
  needsFamily(family: string): boolean
}

/** The encoders that heads are served on, which may change while the process runs. */
export interface EncoderSupply extends FamilyEncoders {
  /** The default encoder. */
  readonly current: Encoder
  /** The name and alias that the default encoder follows; null where it stays what it is. */
  readonly followed: { readonly name: string; readonly alias: string } | null
  attach(users: EncoderUsers): void
  /** Takes over what was read of the registry; true where heads that found no encoder may find one now. */
  follow(models: ReadonlyMap<string, FollowedModel>, retry: boolean): boolean
  /** Versions of the default encoder that the registry wants and that do not answer, as `name@v2`. */
  readonly held: readonly string[]
  /** Waits for an encoder that is on its way in, and says what moved. */
  settle(): Promise<readonly ModelChange[]>
}
