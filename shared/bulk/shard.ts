import { createNpyWriter } from '../dataset/arrays/npy-file.ts'
import { createJsonVectorWriter, type VectorWriter } from '../dataset/arrays/vector-writer.ts'
import type { ByteSink } from '../dataset/byte-sink.ts'
import { dataError } from '../dataset/data-error.ts'
import type { TextRow } from '../dataset/texts.ts'
import type { DataSource } from '../dataset/types.ts'
import { findPrompt } from '../encoder/prompts.ts'
import type { Encoder } from '../encoder/types.ts'
import { encodeAs, type Head, type TextReading } from '../head/head.ts'
import type { PredictOptions } from '../head/predict.ts'
import { embedRows } from '../jobs/rows/embed-rows.ts'
import { predictRows } from '../jobs/rows/predict-rows.ts'
import type { MatrixKernels } from '../lib/maths/matrix-kernels.ts'
import type { BulkFile, BulkPlace, BulkSink } from './place.ts'
import { type BadRow, type BulkReading, type BulkRow, readBulkRows } from './rows.ts'

/** What makes results of rows. */
export interface BulkEngine {
  readonly encoder: Encoder
  /** How long texts are read; cut at the right where it is left out. */
  readonly reading?: TextReading | undefined
  /** Columns that the classifier reads joined. */
  readonly joinedColumns?: readonly string[] | undefined
  /** Null embeds; otherwise rows are classified. */
  readonly classifier: {
    readonly head: Head
    /** `intent@v7`. */
    readonly model: string
    readonly kernels: MatrixKernels
    readonly predict: PredictOptions
  } | null
}

/** How results look. */
export interface BulkFormat {
  readonly to: 'jsonl' | 'npy'
  readonly prompt?: string | undefined
  readonly normalize: boolean
}

/** One file of rows and the names of what becomes of it. */
export interface BulkTask {
  readonly file: BulkFile
  /** The result: the file is done where this exists. */
  readonly output: string
  /** Ids beside a .npy file; null where lines carry them. */
  readonly ids: string | null
  readonly bad: string
}

/** What became of one file. */
export interface BulkTaskResult {
  readonly rows: number
  readonly bad: number
  readonly tokens: number
  readonly truncated: number
  /** False where another worker had finished it meanwhile. */
  readonly created: boolean
}

/** Bad rows that are held before they are written. */
const BAD_ROWS_HELD = 256

/**
 * Computes one file in bounded memory. What lies beside the result is in place before it, so that whoever sees
 * the result sees all; a failure leaves nothing.
 * @throws EspalierError for a file that cannot be read, and for what engine and places refuse
 */
export async function runBulkTask(
  engine: BulkEngine,
  places: { readonly input: BulkPlace; readonly output: BulkPlace },
  task: BulkTask,
  options: {
    readonly reading: BulkReading
    readonly format: BulkFormat
    readonly signal: AbortSignal
    readonly onProgress: (rows: number) => void
  },
): Promise<BulkTaskResult> {
  const { signal, reading, format } = options
  const source = places.input.open(task.file)
  const bad = new BadRowFile(places.output, task.bad, signal)
  const open = (name: string, once: boolean) => places.output.create(name, { once, signal })
  const main = await open(task.output, true)
  const ids = task.ids === null ? null : await open(task.ids, false)
  let created = true
  const commit = async (): Promise<void> => {
    bad.checkSome(source.name)
    await ids?.commit()
    await bad.commit()
    created = (await main.commit()) === 'created'
  }
  const sink: ByteSink & Pick<BulkSink, 'patch'> = {
    write: (bytes) => main.write(bytes),
    patch: (bytes, position) => main.patch(bytes, position),
    commit,
    discard: () => main.discard(),
  }
  try {
    const { joinedColumns } = engine
    const rows = withBadRows(source, { joinedColumns, ...reading }, bad)
    const onStuck = (row: TextRow, reason: string): void => bad.move(row as BulkRow, reason)
    const work = { engine, sink, ids, format, rows, source: source.name, signal, onStuck }
    const done = await computeRows(work, options.onProgress)
    return { ...done, bad: bad.count, created }
  } finally {
    await Promise.all([main.discard(), ids?.discard(), bad.discard()])
  }
}

interface Work {
  readonly engine: BulkEngine
  readonly sink: ByteSink & Pick<BulkSink, 'patch'>
  readonly ids: BulkSink | null
  readonly format: BulkFormat
  readonly rows: AsyncIterable<BulkRow>
  readonly source: string
  readonly signal: AbortSignal
  readonly onStuck: (row: TextRow, reason: string) => void
}

async function computeRows(work: Work, onProgress: (rows: number) => void) {
  const { engine, sink, ids, format, rows, source, signal, onStuck } = work
  const { encoder, classifier } = engine
  const describe = (row: { readonly index: number }) => ({ id: (row as BulkRow).id })
  const common = { encoder, rows, source, describe, signal, onProgress, onStuck }
  if (classifier !== null) {
    const { prompt } = format
    const { reading } = engine
    const given = {
      ...common,
      ...classifier,
      sink,
      withText: false,
      prompt,
      reading,
    }
    const done = await predictRows(given)
    await sink.commit()
    return done
  }
  const vectors = format.to === 'npy' ? await createNpyWriter(sink) : createJsonVectorWriter(sink)
  const writer = ids === null ? vectors : withIds(vectors, ids)
  const done = await embedRows({
    ...common,
    writer,
    encode: {
      ...encodeAs(engine.reading),
      normalize: format.normalize,
      prompt: findPrompt(encoder.info, format.prompt),
    },
  })
  await writer.commit()
  return done
}

/** Writes the ids of the rows beside a file that has no place for them, one JSON value a line. */
function withIds(vectors: VectorWriter, ids: BulkSink): VectorWriter {
  return {
    async write(rows) {
      const lines = rows.map(({ fields }) => `${JSON.stringify(fields.id)}\n`)
      await ids.write(Buffer.from(lines.join('')))
      await vectors.write(rows)
    },
    commit: () => vectors.commit(),
    discard: () => vectors.discard(),
  }
}

/** The rows of a source, whose next bytes wait while bad rows are written. */
function withBadRows(
  source: DataSource,
  reading: BulkReading,
  bad: BadRowFile,
): AsyncIterable<BulkRow> {
  async function* open(signal?: AbortSignal): AsyncGenerator<Uint8Array> {
    for await (const chunk of source.open(signal)) {
      if (bad.held >= BAD_ROWS_HELD) await bad.flush()
      yield chunk
    }
  }
  async function* count(rows: AsyncIterable<BulkRow>): AsyncGenerator<BulkRow> {
    for await (const row of rows) {
      bad.good++
      yield row
    }
  }
  return count(readBulkRows({ ...source, open }, reading, (row) => bad.add(row)))
}

/** The side file of bad rows, which there is only where there are such rows. */
class BadRowFile {
  readonly #place: BulkPlace
  readonly #name: string
  readonly #signal: AbortSignal
  #sink: BulkSink | null = null
  #rows: BadRow[] = []
  #firstBad: BadRow | null = null
  count = 0
  good = 0

  constructor(place: BulkPlace, name: string, signal: AbortSignal) {
    this.#place = place
    this.#name = name
    this.#signal = signal
  }

  /** @throws EspalierError `invalid_data` where all rows are bad: then the file is, or an option */
  checkSome(name: string): void {
    if (this.good > 0 || this.#firstBad === null) return
    const { line, reason } = this.#firstBad
    throw dataError(name, line, `${reason}; no row of the file can be used`)
  }

  get held(): number {
    return this.#rows.length
  }

  add(row: BadRow): void {
    this.count++
    this.#firstBad ??= row
    this.#rows.push(row)
  }

  /** Takes over a row that was handed on as a good one. */
  move({ index, row }: BulkRow, reason: string): void {
    this.good--
    this.add({ index, line: row.line, reason })
  }

  async flush(): Promise<void> {
    if (this.#rows.length === 0) return
    this.#sink ??= await this.#place.create(this.#name, { once: false, signal: this.#signal })
    const lines = this.#rows.map((row) => `${JSON.stringify(row)}\n`)
    this.#rows = []
    await this.#sink.write(Buffer.from(lines.join('')))
  }

  async commit(): Promise<void> {
    await this.flush()
    await this.#sink?.commit()
  }

  async discard(): Promise<void> {
    await this.#sink?.discard()
  }
}
