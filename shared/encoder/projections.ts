import { EspalierError } from '../lib/errors.ts'
import type { WireMemory, WireProjection } from '../runtime/protocol.ts'
import type { Projection } from './types.ts'

/** The part of the pool that holds projections. */
export interface ProjectionTarget {
  addProjection(projection: WireProjection): Promise<void>
  dropProjection(id: number): Promise<void>
  addMemory(memory: WireMemory): Promise<void>
  dropMemory(id: number): Promise<void>
}

/**
 * Which stacked heads are in force. A request keeps the one it was accepted with: workers hold the old one
 * beside the new until its last request is done, so that no answer mixes two.
 */
export class ProjectionRegistry {
  readonly #target: ProjectionTarget
  readonly #dimension: number
  readonly #users = new Map<number, number>()
  /** Projections that workers hold, by id. */
  readonly #held = new Map<number, Projection>()
  readonly #memories = new Set<number>()
  #current: Projection | null = null
  #lastChange: Promise<void> = Promise.resolve()

  constructor(target: ProjectionTarget, dimension: number) {
    this.#target = target
    this.#dimension = dimension
  }

  /** Changes apply one after another; resolves when every worker has the new one. */
  set(projection: Projection | null): Promise<void> {
    const change = this.#lastChange.then(() => this.#apply(projection))
    this.#lastChange = change.catch(() => {})
    return change
  }

  /** The projection in force, held until `release`. */
  acquire(): Projection | null {
    const current = this.#current
    if (current) this.#users.set(current.id, (this.#users.get(current.id) ?? 0) + 1)
    return current
  }

  release(projection: Projection | null): void {
    if (!projection) return
    const users = (this.#users.get(projection.id) ?? 0) - 1
    if (users > 0) this.#users.set(projection.id, users)
    else this.#users.delete(projection.id)
    this.#dropUnused(projection)
  }

  async #apply(projection: Projection | null): Promise<void> {
    if (projection) {
      checkProjection(projection, this.#dimension, this.#current?.id ?? 0)
      await this.#hold(projection)
    }
    const old = this.#current
    this.#current = projection
    if (old) this.#dropUnused(old)
  }

  /** Sends the memories that workers do not have yet, then the matrix. */
  async #hold(projection: Projection): Promise<void> {
    const { memories, ...matrix } = projection
    this.#held.set(projection.id, projection)
    try {
      for (const memory of memories) {
        if (this.#memories.has(memory.id)) continue
        this.#memories.add(memory.id)
        await this.#target.addMemory(toSharedMemory(memory))
      }
      await this.#target.addProjection(matrix)
    } catch (error) {
      this.#drop(projection)
      throw error
    }
  }

  #dropUnused(projection: Projection): void {
    const { id } = projection
    if (this.#users.has(id) || this.#current?.id === id) return
    this.#drop(projection)
  }

  #drop({ id, memories }: Projection): void {
    if (!this.#held.delete(id)) return
    this.#target.dropProjection(id).catch(() => {})
    const needed = new Set<number>()
    for (const held of this.#held.values()) {
      for (const memory of held.memories) needed.add(memory.id)
    }
    for (const memory of memories) {
      if (needed.has(memory.id) || !this.#memories.delete(memory.id)) continue
      this.#target.dropMemory(memory.id).catch(() => {})
    }
  }
}

/** Copied once here instead of once for each worker, in which the serving thread would wait. */
function toSharedMemory(memory: WireMemory): WireMemory {
  const embeddings = new Int8Array(new SharedArrayBuffer(memory.embeddings.byteLength))
  embeddings.set(memory.embeddings)
  return { ...memory, embeddings }
}

function checkProjection(projection: Projection, dimension: number, lastId: number): void {
  const { id, columns, weights, bias, distances, memories } = projection
  const coordinates = distances.reduce((sum, { background }) => sum + background.length, 0)
  const width = columns - distances.length + coordinates
  const fits = weights.length === dimension * width && bias.length === width && columns > 0
  const grouped = distances.every(
    ({ means, background }) => means.length > 0 && means.length % background.length === 0,
  )
  const found = memories.every(
    ({ embeddings, scales }) =>
      scales.length > 0 && embeddings.length === dimension * scales.length,
  )
  if (fits && grouped && found && id > lastId) return
  const shape = `id ${id} after ${lastId}, ${weights.length} weights for [${width}, ${dimension}]`
  throw new EspalierError('internal', `projection does not fit: ${shape}`)
}
