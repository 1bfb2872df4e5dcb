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
  groupingOfRows,
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
  MAX_WINDOWS,
  toWireError,
  type WorkerInit,
} from '../protocol.ts'
import { openTextGraph, type TextGraph } from './text-graph.ts'
import { TextRows } from './text-windows.ts'
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
  /** The one length that the graph runs; null where it takes any. */
  readonly #tokens: number | null
  /** A text has no neighbours whose padding must not change it. */
  readonly #alone: boolean

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
    const spec = manifest.graphs[precision]
    this.#tokens = spec?.shape?.tokens ?? null
    this.#alone = spec?.alone === true
    const rows = this.#alone ? 1 : (spec?.shape?.rows ?? null)
    const limits = groupingFor(device)
    this.#grouping = rows === null ? limits : groupingOfRows(rows, this.#tokens, limits)
  }

  async run(job: Job): Promise<JobResult> {
    const started = performance.now()
    const output = new JobOutput(job, this.#manifest.dimension)
    const known = new Set(job.known?.rows)
    const rows = new TextRows(job.inputs.length, this.#manifest.dimension)
    for (const [index, input] of job.inputs.entries()) {
      if (!known.has(index)) this.#tokenize(input, index, job, output, rows)
    }
    const tokenized = performance.now()
    for (const batch of splitByMode(job, output)) {
      const unit = new UnitRows(
        batch.mode.projection === 0 ? [] : batch.members,
        this.#manifest.dimension,
      )
      if (job.known) takeKnown(job.known, batch, output, unit, this.#manifest.dimension)
      const texts = batch.members.filter((member) => !known.has(member))
      const all = texts.flatMap((text) => rows.rowsOf(text))
      const lengths = all.map((row) => this.#widthOf(rows.ids[row]))
      for (const group of groupByLength(lengths, this.#grouping)) {
        const members = group.members.map((at) => all[at] as number)
        await this.#runOrBisect(rows, { members, width: group.width }, batch.mode, output, unit)
      }
      for (const text of batch.mode.windows ? texts : []) {
        const vector = rows.combine(text, batch.mode)
        if (vector === null || output.hasFailed(text)) continue
        output.setVectors([text], vector)
        if (batch.mode.projection === 0) continue
        unit.set([text], normalizeRows(vector, this.#manifest.dimension))
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

  #tokenize(input: EncoderInput, index: number, job: Job, output: JobOutput, rows: TextRows): void {
    const { prompt, truncate, truncationDirection, windows: isLong } = modeAt(job, index)
    const options = { maxTokens: this.#manifest.maxTokens, truncate, truncationDirection }
    try {
      const text = readText(input)
      const encodeWhole = () => {
        const { ids, truncated } = this.#tokenizer.encode(prompt + text, options)
        return { windows: [ids], truncated }
      }
      const { windows, truncated } = isLong
        ? this.#tokenizer.encodeWindows(prompt, text, { ...options, count: MAX_WINDOWS })
        : encodeWhole()
      rows.set(index, windows)
      output.tokens[index] = windows.reduce((sum, { length }) => sum + length, 0)
      output.truncated[index] = truncated ? 1 : 0
    } catch (error) {
      output.fail(index, toWireError(error))
    }
  }

  /** Padded length of an input on its own; never beyond the encoder's positions. */
  #widthOf(ids: readonly number[] = []): number {
    const { architecture, maxTokens } = this.#manifest
    if (this.#tokens !== null) return this.#tokens
    if (architecture !== 'onnx' || this.#alone) return ids.length
    return Math.min(maxTokens, alignForeignLength(ids.length))
  }

  /** A group that fails is halved until the input at fault fails alone. */
  async #runOrBisect(
    rows: TextRows,
    group: Group,
    mode: JobMode,
    output: JobOutput,
    unit: UnitRows,
  ): Promise<void> {
    try {
      await this.#runGroup(rows, group, mode, output, unit)
    } catch (error) {
      const { members } = group
      if (members.length === 1) {
        return output.fail(rows.textOf(members[0] as number), toWireError(error))
      }
      const middle = members.length >> 1
      for (const half of [members.slice(0, middle), members.slice(middle)]) {
        const width = Math.max(...half.map((member) => this.#widthOf(rows.ids[member])))
        await this.#runOrBisect(rows, { members: half, width }, mode, output, unit)
      }
    }
  }

  async #runGroup(
    rows: TextRows,
    group: Group,
    mode: JobMode,
    output: JobOutput,
    unitRows: UnitRows,
  ): Promise<void> {
    const manifest = this.#manifest
    const normalized = mode.normalize || mode.projection !== 0
    const usePooled = !mode.normalize && (manifest.normalize || this.#hasPooled)
    // Lengths are told of every text, whoever asks: a stored vector may be read by such heads later.
    const outputs = await this.#graph.run(rows.ids, group, {
      embedding: normalized || !usePooled,
      pooled: usePooled || this.#hasPooled,
    })
    const raw = usePooled ? outputs.pooled : outputs.embedding
    const unit = normalized && !manifest.normalize ? toUnit(outputs.embedding) : outputs.embedding
    const vectors = (mode.normalize ? unit : raw) as Float32Array
    rows.keep(group.members, vectors)
    rows.handOn(group.members, vectors, (texts, own) => output.setVectors(texts, own))
    if (outputs.pooled) {
      rows.handOn(group.members, outputs.pooled, (texts, own) => output.setNorms(texts, own))
    }
    if (mode.projection !== 0) {
      rows.handOn(group.members, unit as Float32Array, (texts, own) => {
        unitRows.set(
          texts,
          own,
          texts.map((text) => output.norms[text] as number),
        )
      })
    }

    function toUnit(matrix: Float32Array | null): Float32Array {
      return normalizeRows(matrix as Float32Array, manifest.dimension)
    }
  }
}

function readText(input: EncoderInput): string {
  if (typeof input === 'string') return input
  throw new EspalierError('wrong_modality', 'is an image; this encoder reads texts')
}
