/** What the bench and the processes it measures say to each other. */

/** Texts to encode once; the answer carries the time that took, as the engine's process saw it. */
export interface EncodeRequest {
  readonly kind: 'encode'
  readonly texts: readonly string[]
}

export type EngineRequest = EncodeRequest | { readonly kind: 'stop' }

export type EngineReply =
  | { readonly kind: 'ready'; readonly detail: string }
  | {
      readonly kind: 'encoded'
      readonly ms: number
      /** Real tokens of each text, where the engine counts them. */
      readonly tokens: readonly number[] | null
      /** The first vectors, so that engines can be compared and the work cannot be skipped. */
      readonly sample: readonly (readonly number[])[]
    }
  | { readonly kind: 'failed'; readonly message: string }

/** Vectors returned for comparison. */
export const SAMPLE_ROWS = 8
