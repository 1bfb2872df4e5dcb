import { EspalierError } from '../../lib/errors.ts'
import { ProtobufReader } from '../../onnx/protobuf-reader.ts'

/** Kinds of pieces, as `ModelProto.SentencePiece.Type` numbers them. */
export const PIECE = { normal: 1, unknown: 2, control: 3, user: 4, unused: 5, byte: 6 } as const

export interface Piece {
  readonly text: string
  /** Natural logarithm of its probability. */
  readonly score: number
  readonly type: number
}

/** What a tokenizer is made from of a model of SentencePiece. */
export interface SentencePieceModel {
  readonly pieces: readonly Piece[]
  /** 1 is Unigram, 2 is BPE. */
  readonly modelType: number
  readonly unknownId: number
  readonly byteFallback: boolean
  /** The rules of normalisation as a double array; empty where there are none. */
  readonly charsmap: Uint8Array
  readonly addsDummyPrefix: boolean
  readonly removesExtraSpaces: boolean
  readonly escapesSpaces: boolean
}

/** XLM-R has 250,000. */
const MAX_PIECES = 2_000_000
const KIND = 'a model of SentencePiece'

/**
 * Reads a model of SentencePiece (sentencepiece_model.proto), without what training alone needs.
 * @throws EspalierError `invalid_model_file` for a damaged file
 */
export function readSentencePiece(bytes: Uint8Array): SentencePieceModel {
  const pieces: Piece[] = []
  const model = {
    modelType: 1,
    unknownId: 0,
    byteFallback: false,
    charsmap: new Uint8Array() as Uint8Array,
    addsDummyPrefix: true,
    removesExtraSpaces: true,
    escapesSpaces: true,
  }
  const reader = new ProtobufReader(bytes, 'it', KIND)
  for (let field = reader.next(); field !== 0; field = reader.next()) {
    if (field === 1) pieces.push(readPiece(reader.message('a piece')))
    else if (field === 2) readTrainer(reader.message('its training'), model)
    else if (field === 3) readNormalizer(reader.message('its normalisation'), model)
    else reader.skip()
    if (pieces.length > MAX_PIECES) throw broken(`more than ${MAX_PIECES} pieces`)
  }
  const texts = new Set(pieces.map(({ text }) => text))
  if (pieces.length === 0) throw broken('no pieces')
  if (texts.size !== pieces.length) throw broken('a piece twice')
  if (model.unknownId >= pieces.length || model.unknownId < 0) throw broken('no unknown piece')
  return { pieces, ...model }
}

type Mutable = { -readonly [K in keyof SentencePieceModel]: SentencePieceModel[K] }

function readPiece(reader: ProtobufReader): Piece {
  let text: string | null = null
  let score = 0
  let type: number = PIECE.normal
  for (let field = reader.next(); field !== 0; field = reader.next()) {
    if (field === 1) text = decode(reader.bytes())
    else if (field === 2) score = reader.floats()[0] ?? 0
    else if (field === 3) type = reader.integer()
    else reader.skip()
  }
  if (text === null || text === '' || !Number.isFinite(score)) throw broken('a piece of nothing')
  return { text, score, type }
}

function decode(bytes: Uint8Array): string {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes)
  } catch {
    throw broken('a piece that is no text')
  }
}

function readTrainer(
  reader: ProtobufReader,
  model: Pick<Mutable, 'modelType' | 'unknownId' | 'byteFallback'>,
): void {
  for (let field = reader.next(); field !== 0; field = reader.next()) {
    if (field === 3) model.modelType = reader.integer()
    else if (field === 35) model.byteFallback = reader.integer() !== 0
    else if (field === 40) model.unknownId = reader.integer()
    else reader.skip()
  }
}

function readNormalizer(
  reader: ProtobufReader,
  model: Pick<Mutable, 'charsmap' | 'addsDummyPrefix' | 'removesExtraSpaces' | 'escapesSpaces'>,
): void {
  for (let field = reader.next(); field !== 0; field = reader.next()) {
    if (field === 2) model.charsmap = reader.bytes()
    else if (field === 3) model.addsDummyPrefix = reader.integer() !== 0
    else if (field === 4) model.removesExtraSpaces = reader.integer() !== 0
    else if (field === 5) model.escapesSpaces = reader.integer() !== 0
    else reader.skip()
  }
}

function broken(what: string): EspalierError {
  return new EspalierError('invalid_model_file', `not ${KIND}, or a damaged one: it has ${what}`)
}
