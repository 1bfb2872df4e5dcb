import { join } from 'node:path'
import { EspalierError } from '../lib/errors.ts'
import { openOnDevice } from './device.ts'
import { type Stage, waitForGate } from './file-gate.ts'
import {
  alignForeignLength,
  type Group,
  type GroupingLimits,
  groupByLength,
  groupingFor,
} from './grouping.ts'
import { type Batch, modeAt, splitByMode } from './job-batches.ts'
import { JobOutput } from './job-output.ts'
import { takeKnown } from './known-rows.ts'
import { createMemoryKernel, type MemoryKernel } from './memory.ts'
import { createProjectionKernel, type ProjectionKernel } from './projection.ts'
import {
  type Job,
  type JobMode,
  type JobResult,
  toWireError,
  type WireMemory,
  type WireProjection,
  type WorkerInit,
} from './protocol.ts'
import { verifyGoldens } from './self-test.ts'
import type { Device } from './session.ts'
import type { TextGraph } from './text-graph.ts'
import { loadTokenizer, type Tokenizer } from './tokenizer.ts'
import { normalizeRows, UnitRows } from './unit-rows.ts'

/** What a worker thread runs; its calls must not overlap. */
export interface Engine {
  readonly device: Device
  /** Why another device than the wanted one runs; null if it does. */
  readonly fallback: string | null
  run(job: Job): Promise<JobResult>
  addProjection(projection: WireProjection): Promise<void>
  dropProjection(id: number): Promise<void>
  addMemory(memory: WireMemory): Promise<void>
  dropMemory(id: number): Promise<void>
  release(): Promise<void>
}

/**
 * Loads tokenizer and graph and proves them on the manifest's golden texts.
 * @throws EspalierError `invalid_model_file`, `invalid_config` (device), `self_test_failed`
 */
export async function createEngine(init: WorkerInit): Promise<Engine> {
  const { artifactDir, manifest } = init
  awaitVerified(init, 'tokenizer')
  const tokenizer = await loadTokenizer(join(artifactDir, manifest.tokenizer))
  awaitVerified(init, 'graph')
  const { graph, device, fallback } = await openOnDevice(init)
  const engine = new TextEngine(init, tokenizer, graph, device, fallback)
  try {
    await verifyGoldens(engine, manifest, init.precision)
    return engine
  } catch (error) {
    await engine.release()
    throw error
  }
}

function awaitVerified({ gate }: WorkerInit, stage: Stage): void {
  if (gate === undefined || waitForGate(gate, stage)) return
  throw new EspalierError('artifact_corrupt', 'the files of the encoder were not verified')
}

class TextEngine implements Engine {
  readonly device: Device
  readonly fallback: string | null
  readonly #init: WorkerInit
  readonly #tokenizer: Tokenizer
  readonly #graph: TextGraph
  readonly #grouping: GroupingLimits
  readonly #projections = new Map<number, ProjectionKernel>()
  readonly #memories = new Map<number, MemoryKernel>()

  constructor(
    init: WorkerInit,
    tokenizer: Tokenizer,
    graph: TextGraph,
    device: Device,
    fallback: string | null,
  ) {
    this.#init = init
    this.#tokenizer = tokenizer
    this.#graph = graph
    this.device = device
    this.fallback = fallback
    this.#grouping = groupingFor(device)
  }

  async run(job: Job): Promise<JobResult> {
    const started = performance.now()
    const output = new JobOutput(job, this.#init.manifest.dimension)
    const known = new Set(job.known?.rows)
    const ids = job.texts.map((text, index) =>
      known.has(index) ? [] : this.#tokenize(text, index, job, output),
    )
    const tokenized = performance.now()
    for (const batch of splitByMode(job, output)) {
      const unit = new UnitRows(
        batch.mode.projection === 0 ? [] : batch.members,
        this.#init.manifest.dimension,
      )
      if (job.known) takeKnown(job.known, batch, output, unit, this.#init.manifest.dimension)
      const texts = batch.members.filter((member) => !known.has(member))
      const lengths = texts.map((member) => this.#widthOf(ids[member]))
      for (const group of groupByLength(lengths, this.#grouping)) {
        const members = group.members.map((at) => texts[at] as number)
        await this.#runOrBisect(ids, { members, width: group.width }, batch.mode, output, unit)
      }
      await this.#applyHeads(batch, unit.values, output)
    }
    const ended = performance.now()
    return output.finish(tokenized - started, ended - tokenized)
  }

  async addProjection(projection: WireProjection): Promise<void> {
    const kernel = await createProjectionKernel(projection, this.#init.manifest.dimension)
    this.#projections.set(projection.id, kernel)
  }

  async dropProjection(id: number): Promise<void> {
    const kernel = this.#projections.get(id)
    this.#projections.delete(id)
    await kernel?.release()
  }

  async addMemory(memory: WireMemory): Promise<void> {
    const kernel = await createMemoryKernel(memory, this.#init.manifest.dimension)
    this.#memories.set(memory.id, kernel)
  }

  async dropMemory(id: number): Promise<void> {
    const kernel = this.#memories.get(id)
    this.#memories.delete(id)
    await kernel?.release()
  }

  async release(): Promise<void> {
    for (const id of [...this.#projections.keys()]) await this.dropProjection(id)
    for (const id of [...this.#memories.keys()]) await this.dropMemory(id)
    await this.#graph.release()
  }

  #tokenize(text: string, index: number, job: Job, output: JobOutput): readonly number[] {
    const mode = modeAt(job, index)
    try {
      const { ids, truncated } = this.#tokenizer.encode(mode.prompt + text, {
        maxTokens: this.#init.manifest.maxTokens,
        truncate: mode.truncate,
        truncationDirection: mode.truncationDirection,
      })
      output.tokens[index] = ids.length
      output.truncated[index] = truncated ? 1 : 0
      return ids
    } catch (error) {
      output.fail(index, toWireError(error))
      return []
    }
  }

  /** Padded length of an input on its own; never beyond the encoder's positions. */
  #widthOf(ids: readonly number[] = []): number {
    const { architecture, maxTokens } = this.#init.manifest
    if (architecture !== 'onnx') return ids.length
    return Math.min(maxTokens, alignForeignLength(ids.length))
  }

  /** A group that fails is halved until the input at fault fails alone. */
  async #runOrBisect(
    ids: readonly (readonly number[])[],
    group: Group,
    mode: JobMode,
    output: JobOutput,
    unit: UnitRows,
  ): Promise<void> {
    try {
      await this.#runGroup(ids, group, mode, output, unit)
    } catch (error) {
      const { members } = group
      if (members.length === 1) return output.fail(members[0] as number, toWireError(error))
      const middle = members.length >> 1
      for (const half of [members.slice(0, middle), members.slice(middle)]) {
        const width = Math.max(...half.map((member) => this.#widthOf(ids[member])))
        await this.#runOrBisect(ids, { members: half, width }, mode, output, unit)
      }
    }
  }

  /** All heads on all rows at once, however many runs the encoder needed for them. */
  async #applyHeads(
    { mode, members }: Batch,
    unit: Float32Array,
    output: JobOutput,
  ): Promise<void> {
    if (mode.projection === 0) return
    const kernel = this.#projections.get(mode.projection)
    if (!kernel) throw notLoaded('projection', mode.projection)
    const scores = await kernel.project(unit, members.length)
    output.setScores(mode.projection, kernel.columns, members, scores)
    for (const id of mode.memories) {
      const memory = this.#memories.get(id)
      if (!memory) throw notLoaded('memory', id)
      output.setNeighbours(id, members, await memory.search(unit, members.length))
    }
  }

  async #runGroup(
    ids: readonly (readonly number[])[],
    group: Group,
    mode: JobMode,
    output: JobOutput,
    rows: UnitRows,
  ): Promise<void> {
    const { manifest } = this.#init
    const hasPooled = manifest.graphs[this.#init.precision]?.pooled != null
    const normalized = mode.normalize || mode.projection !== 0
    const usePooled = !mode.normalize && (manifest.normalize || hasPooled)
    const outputs = await this.#graph.run(ids, group, {
      embedding: normalized || !usePooled,
      pooled: usePooled,
    })
    const raw = usePooled ? outputs.pooled : outputs.embedding
    const unit = normalized && !manifest.normalize ? toUnit(outputs.embedding) : outputs.embedding
    const vectors = (mode.normalize ? unit : raw) as Float32Array
    output.setVectors(group.members, vectors)
    if (mode.projection !== 0) rows.set(group.members, unit as Float32Array)

    function toUnit(matrix: Float32Array | null): Float32Array {
      return normalizeRows(matrix as Float32Array, manifest.dimension)
    }
  }
}

function notLoaded(kind: string, id: number): EspalierError {
  return new EspalierError('internal', `${kind} ${id} is not loaded`)
}
