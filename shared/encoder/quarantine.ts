import { hash } from 'node:crypto'
import { EspalierError } from '../lib/errors.ts'

/** An input is refused for so long: on a machine that was only overloaded it works again later. */
const REFUSED_MS = 600_000
const MAX_ENTRIES = 1024

/**
 * Inputs that no worker came back from. Callers send again what failed, and each time would cost a worker: the same
 * input is refused at once instead, for ten minutes. An empty quarantine costs a comparison an input.
 */
export class Quarantine {
  /** When each was put in, in that order, by the hash of prompt and input. */
  readonly #entries = new Map<string, number>()

  get size(): number {
    return this.#entries.size
  }

  /** @param now milliseconds that never run backwards */
  add(prompt: string, key: string, now: number): void {
    const name = nameOf(prompt, key)
    this.#entries.delete(name)
    this.#entries.set(name, now)
    const [oldest] = this.#entries.keys()
    if (this.#entries.size > MAX_ENTRIES && oldest !== undefined) this.#entries.delete(oldest)
  }

  /** @throws EspalierError `encoder_stuck` naming the input */
  check(prompt: string, key: string, index: number, now: number): void {
    if (this.#entries.size === 0) return
    const name = nameOf(prompt, key)
    const since = this.#entries.get(name)
    if (since === undefined) return
    if (now - since < REFUSED_MS) throw stuckError(index)
    this.#entries.delete(name)
  }
}

/** The error of an input whose run did not come back. */
export function stuckError(index: number, cause?: unknown): EspalierError {
  const message =
    'kept a worker past the deadline of its run and is refused for ten minutes: change it, or raise ESPALIER_RUN_TIMEOUT_MS'
  return new EspalierError('encoder_stuck', message, { index, cause })
}

function nameOf(prompt: string, key: string): string {
  return hash('sha256', JSON.stringify([prompt, key]), 'base64')
}
