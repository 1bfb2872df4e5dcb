import { constants, inflateSync } from 'node:zlib'
import { dataError, formatBytes } from '../data-error.ts'
import { type ElementReader, MatElements } from './mat5-elements.ts'

/** A two-dimensional array of numbers. */
export interface MatArray {
  readonly rows: number
  readonly columns: number
  /** Shape [rows, columns], row-major. */
  readonly data: Float32Array | Float64Array
}

/** What a MAT file holds: the arrays asked for, and the name and kind of everything. */
export interface MatFile {
  readonly arrays: ReadonlyMap<string, MatArray>
  readonly names: readonly string[]
}

/** One variable unpacked. */
export const MAX_VARIABLE_BYTES = 2 ** 30
const MAX_VARIABLES = 1_000
const HEADER_BYTES = 128
const COMPRESSED = 15
const MATRIX = 14
/** Enough of a compressed variable to read its name. */
const PEEK_BYTES = 1_024
/** Classes of arrays; characters, cells, structures, objects and sparse matrices are none of ours. */
const FIRST_NUMERIC = 6
const LAST_NUMERIC = 15
const SINGLE = 7
const COMPLEX = 0x0800

/**
 * Reads real, full, two-dimensional arrays of a MAT file of level 5 (MATLAB's default up to -v7); other
 * variables are passed over. Format: MathWorks, "MAT-File Level 5 File Format".
 * @throws EspalierError `invalid_data` for another format, a damaged file, a wanted variable of another kind
 */
export function parseMat(
  name: string,
  bytes: Uint8Array,
  wanted: readonly string[],
  maxVariableBytes: number = MAX_VARIABLE_BYTES,
): MatFile {
  const isLittle = checkHeader(name, bytes)
  const file = new MatElements(name, bytes.subarray(HEADER_BYTES), isLittle)
  const arrays = new Map<string, MatArray>()
  const names: string[] = []
  while (!file.isDone()) {
    const { type, data } = file.next()
    if (type !== COMPRESSED && type !== MATRIX) continue
    if (names.length === MAX_VARIABLES) {
      throw dataError(name, null, `more than ${MAX_VARIABLES} variables`)
    }
    const isPacked = type === COMPRESSED
    const peek = isPacked ? new MatElements(name, unpackStart(name, data), isLittle).open() : data
    const head = readHead(new MatElements(name, peek, isLittle))
    names.push(head.name)
    if (!wanted.includes(head.name)) continue
    checkHead(name, head, maxVariableBytes)
    const body = isPacked
      ? new MatElements(name, unpack(name, data, maxVariableBytes), isLittle).open()
      : data
    const elements = new MatElements(name, body, isLittle)
    readHead(elements)
    arrays.set(head.name, readNumbers(name, head, elements))
  }
  return { arrays, names }
}

function checkHeader(name: string, bytes: Uint8Array): boolean {
  const mark = String.fromCharCode(bytes[126] ?? 0, bytes[127] ?? 0)
  const isLittle = mark === 'IM'
  const version = bytes[isLittle ? 125 : 124]
  if (bytes.length >= HEADER_BYTES && (isLittle || mark === 'MI') && version === 1) return isLittle
  const isHdf = String.fromCharCode(...bytes.subarray(1, 4)) === 'HDF' || version === 2
  const hint = isHdf ? 'MAT 7.3 is not read' : 'not a MAT file of level 5'
  throw dataError(name, null, `${hint}; save it with -v7`)
}

interface ArrayHead {
  readonly name: string
  readonly class: number
  readonly isComplex: boolean
  readonly dimensions: readonly number[]
}

function readHead(elements: ElementReader): ArrayHead {
  const [flags = 0] = elements.numbers()
  const dimensions = Array.from(elements.numbers())
  const variable = Buffer.from(elements.next().data).toString('latin1')
  return { name: variable, class: flags & 0xff, isComplex: (flags & COMPLEX) !== 0, dimensions }
}

function checkHead(name: string, head: ArrayHead, maxBytes: number): void {
  const fail = (message: string) => dataError(name, null, `variable "${head.name}" ${message}`)
  if (head.class === 5) throw fail('is sparse; save full(…) of it')
  if (head.class < FIRST_NUMERIC || head.class > LAST_NUMERIC) throw fail('is no array of numbers')
  if (head.isComplex) throw fail('has complex numbers')
  const { dimensions } = head
  if (dimensions.length !== 2 || dimensions.some((size) => !(size >= 0))) {
    throw fail(`has ${dimensions.length} dimensions; two are expected`)
  }
  if (dimensions[0]! * dimensions[1]! * Float64Array.BYTES_PER_ELEMENT > maxBytes) {
    throw fail(`is larger than ${formatBytes(maxBytes)}`)
  }
}

/** Numbers lie column by column, in whatever type holds them in least bytes. */
function readNumbers(name: string, head: ArrayHead, elements: ElementReader): MatArray {
  const [rows, columns] = head.dimensions as [number, number]
  const values = elements.numbers()
  if (values.length !== rows * columns) {
    const what = `${values.length} numbers where ${rows} x ${columns} are promised`
    throw dataError(name, null, `variable "${head.name}" has ${what}`)
  }
  const data =
    head.class === SINGLE ? new Float32Array(values.length) : new Float64Array(values.length)
  for (let j = 0; j < columns; j++) {
    for (let i = 0; i < rows; i++) data[i * columns + j] = values[j * rows + i]!
  }
  return { rows, columns, data }
}

function unpackStart(name: string, data: Uint8Array): Uint8Array {
  const options = { finishFlush: constants.Z_SYNC_FLUSH }
  return inflate(name, data.subarray(0, PEEK_BYTES), options)
}

function unpack(name: string, data: Uint8Array, maxBytes: number): Uint8Array {
  return inflate(name, data, { maxOutputLength: maxBytes + PEEK_BYTES })
}

function inflate(name: string, data: Uint8Array, options: Parameters<typeof inflateSync>[1]) {
  try {
    return inflateSync(data, options)
  } catch (cause) {
    const isLarge =
      cause instanceof Error && 'code' in cause && cause.code === 'ERR_BUFFER_TOO_LARGE'
    const why = isLarge ? 'unpacks to more than its header says' : 'is damaged'
    throw dataError(name, null, `a compressed variable ${why}`, cause)
  }
}
