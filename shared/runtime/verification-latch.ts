/** What may be read, in the order in which workers need it: what prepares inputs, then the graph. */
export const STAGES = { closed: 0, inputs: 1, graph: 2, refused: -1 } as const
export type Stage = Exclude<keyof typeof STAGES, 'closed' | 'refused'>

/** Holds workers back from an artifact's files until these are verified, while the workers start. */
export interface VerificationLatch {
  /** What workers wait on: one 32-bit word. */
  readonly state: SharedArrayBuffer
  /** The files of a stage, and of those before it, are verified. */
  open(stage: Stage): void
  refuse(): void
}

/** A closed latch. */
export function createVerificationLatch(): VerificationLatch {
  const state = new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT)
  const word = new Int32Array(state)
  const move = (to: number): void => {
    Atomics.store(word, 0, to)
    Atomics.notify(word, 0)
  }
  return { state, open: (stage) => move(STAGES[stage]), refuse: () => move(STAGES.refused) }
}

/** Blocks the calling thread until a stage is open; false where it was refused. Not for the main thread. */
export function waitForLatch(state: SharedArrayBuffer, stage: Stage): boolean {
  const word = new Int32Array(state)
  for (;;) {
    const found = Atomics.load(word, 0)
    if (found === STAGES.refused) return false
    if (found >= STAGES[stage]) return true
    Atomics.wait(word, 0, found)
  }
}

/** True while threads may be waiting for a file to be verified. */
export function isLatchClosed(state: SharedArrayBuffer): boolean {
  const found = Atomics.load(new Int32Array(state), 0)
  return found !== STAGES.graph && found !== STAGES.refused
}
