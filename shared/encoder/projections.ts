import { EspalierError } from '../lib/errors.ts'
import type { WireProjection } from '../runtime/protocol.ts'
import type { Projection } from './types.ts'

/** The part of the pool that holds projections. */
export interface ProjectionTarget {
  addProjection(projection: WireProjection): Promise<void>
  dropProjection(id: number): Promise<void>
}

/**
 * Which stacked heads are in force. A request keeps the one it was accepted with: workers hold the old one
 * beside the new until its last request is done, so that no answer mixes two.
 */
export class ProjectionBook {
  readonly #target: ProjectionTarget
  readonly #dimension: number
  readonly #users = new Map<number, number>()
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
      await this.#target.addProjection(projection)
    }
    const old = this.#current
    this.#current = projection
    if (old) this.#dropUnused(old)
  }

  #dropUnused({ id }: Projection): void {
    if (this.#users.has(id) || this.#current?.id === id) return
    this.#target.dropProjection(id).catch(() => {})
  }
}

function checkProjection(projection: Projection, dimension: number, lastId: number): void {
  const { id, columns, weights, bias } = projection
  const fits = weights.length === dimension * columns && bias.length === columns && columns > 0
  if (fits && id > lastId) return
  const shape = `id ${id} after ${lastId}, ${weights.length} weights for [${dimension}, ${columns}]`
  throw new EspalierError('internal', `projection does not fit: ${shape}`)
}
