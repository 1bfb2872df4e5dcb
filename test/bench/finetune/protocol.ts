/** What a process that takes training steps is started with. */
export interface StepOptions {
  readonly threads: number
  /** Layers that are trained, on cached states where it is fewer than all. */
  readonly layers: number
  /** Threads that wait busily between products: faster on a machine of one's own. */
  readonly spin: boolean
}

/** One size of batch, all texts of one length. */
export interface StepShape {
  readonly batch: number
  readonly tokens: number
}

/** Asks for a number of steps. */
export interface StepRequest extends StepShape {
  readonly kind: 'steps'
  readonly count: number
}

/** Medians over the steps. */
export interface StepReply {
  readonly kind: 'steps'
  /** Forward and backward pass. */
  readonly passMs: number
  /** The same with the optimiser's step. */
  readonly stepMs: number
  readonly loss: number
}
