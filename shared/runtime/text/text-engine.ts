import { join } from 'node:path'
import { EspalierError } from '../../lib/errors.ts'
import type { EncoderInput } from '../../lib/manifests/encoder-input.ts'
import type { TextEncoderManifest } from '../../lib/manifests/encoder-manifest.ts'
import { awaitVerified, type Engine, openOnDevice } from '../engine.ts'
import {
  alignForeignLength,
  type Group,
  type GroupingLimits,
  groupByLength,
  groupingFor,
} from '../grouping.ts'
import {
  JobOutput,
  modeAt,
  normalizeRows,
  splitByMode,
  takeKnown,
  UnitRows,
} from '../job-output.ts'
import { HeadKernels } from '../kernels/head-kernels.ts'
import {
  type Job,
  type JobMode,
  type JobResult,
  toWireError,
  type WorkerInit,
} from '../protocol.ts'
import { openTextGraph, type TextGraph } from './text-graph.ts'
import { loadTokenizer, type Tokenizer } from './tokenizer.ts'

/**
 * Loads tokenizer and graph of a text encoder.
 * @throws EspalierError `invalid_model_file`, `invalid_config` (device)
 */
export async function openTextEngine(
  init: WorkerInit,
  manifest: TextEncoderManifest,
): Promise<Engine> {
  const { artifactDir } = init
  awaitVerified(init, 'inputs')
  const tokenizer = await loadTokenizer(join(artifactDir, manifest.tokenizer))
  awaitVerified(init, 'graph')
  const graph = await openOnDevice(init, (spec, device) =>
    openTextGraph(artifactDir, manifest, spec, device),
  )
  return new TextEngine(manifest, init, tokenizer, graph)
}

class TextEngine implements Engine {
  readonly heads: HeadKernels
  readonly #manifest: TextEncoderManifest
  readonly #hasPooled: boolean
  readonly #tokenizer: Tokenizer
  readonly #graph: TextGraph
  readonly #grouping: GroupingLimits

  constructor(
    manifest: TextEncoderManifest,
    { precision, device }: WorkerInit,
    tokenizer: Tokenizer,
    graph: TextGraph,
  ) {
    this.#manifest = manifest
    this.#hasPooled = manifest.graphs[precision]?.pooled != null
    this.#tokenizer = tokenizer
    this.#graph = graph
    this.heads = new HeadKernels(manifest.dimension)
    this.#grouping = groupingFor(device)
  }

  async run(job: Job): Promise<JobResult> {
    const started = performance.now()
    const output = new JobOutput(job, this.#manifest.dimension)
    const known = new Set(job.known?.rows)
    const ids = job.inputs.map((input, index) =>
      known.has(index) ? [] : this.#tokenize(input, index, job, output),
    )
    const tokenized = performance.now()
    for (const batch of splitByMode(job, output)) {
      const unit = new UnitRows(
        batch.mode.projection === 0 ? [] : batch.members,
        this.#manifest.dimension,
      )
      if (job.known) takeKnown(job.known, batch, output, unit, this.#manifest.dimension)
      const texts = batch.members.filter((member) => !known.has(member))
      const lengths = texts.map((member) => this.#widthOf(ids[member]))
      for (const group of groupByLength(lengths, this.#grouping)) {
        const members = group.members.map((at) => texts[at] as number)
        await this.#runOrBisect(ids, { members, width: group.width }, batch.mode, output, unit)
      }
      await this.heads.apply(batch, unit, output)
    }
    const ended = performance.now()
    return output.finish(tokenized - started, ended - tokenized)
  }

  async release(): Promise<void> {
    await this.heads.release()
    await this.#graph.release()
  }

  #tokenize(input: EncoderInput, index: number, job: Job, output: JobOutput): readonly number[] {
    const mode = modeAt(job, index)
    try {
      const text = readText(input)
      const { ids, truncated } = this.#tokenizer.encode(mode.prompt + text, {
        maxTokens: this.#manifest.maxTokens,
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
    const { architecture, maxTokens } = this.#manifest
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

  async #runGroup(
    ids: readonly (readonly number[])[],
    group: Group,
    mode: JobMode,
    output: JobOutput,
    rows: UnitRows,
  ): Promise<void> {
    const manifest = this.#manifest
    const normalized = mode.normalize || mode.projection !== 0
    const usePooled = !mode.normalize && (manifest.normalize || this.#hasPooled)
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

function readText(input: EncoderInput): string {
  if (typeof input === 'string') return input
  throw new EspalierError('wrong_modality', 'is an image; this encoder reads texts')
}
