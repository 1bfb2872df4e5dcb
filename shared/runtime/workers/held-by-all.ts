import type { WireMemory, WireProjection } from '../protocol.ts'
import type { Ask } from './worker-thread.ts'

/** What all workers of a pool hold beside the encoder: the heads that are in use. A fresh worker is given all of it. */
export class HeldByAll {
  readonly #projections = new Map<number, WireProjection>()
  readonly #memories = new Map<number, WireMemory>()

  /** Takes note of what all workers are told. */
  note(message: Ask): void {
    switch (message.type) {
      case 'project':
        this.#projections.set(message.projection.id, message.projection)
        break
      case 'unproject':
        this.#projections.delete(message.projection)
        break
      case 'addMemory':
        this.#memories.set(message.memory.id, message.memory)
        break
      case 'dropMemory':
        this.#memories.delete(message.memory)
        break
      // Goes to one worker alone, which forgets it.
      case 'run':
        break
    }
  }

  /**
   * What brings a fresh worker to where the others are.
   * @returns memories first, which the heads of projections search
   */
  messages(): Ask[] {
    const memories = [...this.#memories.values()]
    const projections = [...this.#projections.values()]
    return [
      ...memories.map((memory) => ({ type: 'addMemory', memory }) as const),
      ...projections.map((projection) => ({ type: 'project', projection }) as const),
    ]
  }
}
