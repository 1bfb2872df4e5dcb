const PENDING = 0
const OPEN = 1
const REFUSED = 2

/** Holds workers back from an artifact's files until these are verified, while the workers start. */
export interface FileGate {
  /** What workers wait on: one 32-bit word. */
  readonly state: SharedArrayBuffer
  open(): void
  refuse(): void
}

/** A closed gate. */
export function createFileGate(): FileGate {
  const state = new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT)
  const word = new Int32Array(state)
  const decide = (decision: number): void => {
    Atomics.store(word, 0, decision)
    Atomics.notify(word, 0)
  }
  return { state, open: () => decide(OPEN), refuse: () => decide(REFUSED) }
}

/** Blocks the calling thread until the gate is decided; false where it was refused. Not for the main thread. */
export function waitForGate(state: SharedArrayBuffer): boolean {
  const word = new Int32Array(state)
  Atomics.wait(word, 0, PENDING)
  return Atomics.load(word, 0) === OPEN
}
