import { EspalierError } from '../../lib/errors.ts'
import type { Batch, JobOutput, UnitRows } from '../job-output.ts'
import type { WireMemory, WireProjection } from '../protocol.ts'
import { createMemoryKernel, type MemoryKernel } from './memory.ts'
import { createProjectionKernel, type ProjectionKernel } from './projection.ts'

/** The heads that a worker holds: what it multiplies vectors with, and what it searches. */
export class HeadKernels {
  readonly #dimension: number
  readonly #projections = new Map<number, ProjectionKernel>()
  readonly #memories = new Map<number, MemoryKernel>()

  constructor(dimension: number) {
    this.#dimension = dimension
  }

  async addProjection(projection: WireProjection): Promise<void> {
    const kernel = await createProjectionKernel(projection, this.#dimension)
    this.#projections.set(projection.id, kernel)
  }

  async dropProjection(id: number): Promise<void> {
    const kernel = this.#projections.get(id)
    this.#projections.delete(id)
    await kernel?.release()
  }

  async addMemory(memory: WireMemory): Promise<void> {
    const kernel = await createMemoryKernel(memory, this.#dimension)
    this.#memories.set(memory.id, kernel)
  }

  async dropMemory(id: number): Promise<void> {
    const kernel = this.#memories.get(id)
    this.#memories.delete(id)
    await kernel?.release()
  }

  /** All heads on all rows of a batch at once, however many runs the encoder needed for them. */
  async apply({ mode, members }: Batch, unit: UnitRows, output: JobOutput): Promise<void> {
    if (mode.projection === 0) return
    const kernel = this.#projections.get(mode.projection)
    if (!kernel) throw notLoaded('projection', mode.projection)
    const scores = await kernel.project(unit.values, members.length, unit.norms)
    output.setScores(mode.projection, kernel.columns, members, scores)
    for (const id of mode.memories) {
      const memory = this.#memories.get(id)
      if (!memory) throw notLoaded('memory', id)
      output.setNeighbours(id, members, await memory.search(unit.values, members.length))
    }
  }

  async release(): Promise<void> {
    for (const id of [...this.#projections.keys()]) await this.dropProjection(id)
    for (const id of [...this.#memories.keys()]) await this.dropMemory(id)
  }
}

function notLoaded(kind: string, id: number): EspalierError {
  return new EspalierError('internal', `${kind} ${id} is not loaded`)
}
