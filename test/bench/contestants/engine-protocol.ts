/** What the bench and the processes that encode for it say to each other. */

export type EngineRequest =
  /** Encodes all texts in one call. */
  | { readonly kind: 'encode'; readonly texts: readonly string[] }
  /** Encodes one text after the other. */
  | { readonly kind: 'each'; readonly texts: readonly string[] }

export type EngineReply =
  | {
      readonly kind: 'encode'
      /** The time it took, as the engine's own process saw it. */
      readonly ms: number
      /** Real tokens of each text, where the engine counts them. */
      readonly tokens: readonly number[] | null
      /** The first vectors, so that engines can be compared and the work cannot be skipped. */
      readonly sample: readonly (readonly number[])[]
    }
  | { readonly kind: 'each'; readonly latenciesMs: readonly number[] }

/** Vectors returned for comparison. */
export const SAMPLE_ROWS = 8
