import type { default as createSharp } from 'sharp'

const MARKER = 0xff
const [TABLES, START_OF_SCAN, END] = [0xc4, 0xda, 0xd9]
/** Baseline, extended and progressive frames. */
const FRAMES = [0xc0, 0xc1, 0xc2]
const PROGRESSIVE = 0xc2
/** Offsets behind the marker of a frame. */
const [HEIGHT_AT, COMPONENTS_AT] = [5, 9]
const MAX_LINES = 65_535
/** Bytes of one value in a row that no picture has, or plain areas only. */
const RUN = 64

/** What the headers of a JPEG say, as far as it matters here. */
interface Layout {
  readonly kind: number
  /** Offset of the frame's marker. */
  readonly frame: number
  /** Offset of the first scan's data. */
  readonly scan: number
  /** Lines that a scan has in one row of its units. */
  readonly unitLines: number
  /** Whether data of zeros alone can be plain blocks: the shortest code ends a block. */
  readonly zerosArePlain: boolean
}

/**
 * True for a JPEG whose data was overwritten by blanks, of which libjpeg does not warn: it takes them as codes, and
 * stops when the image is full. Where blanks cannot be plain areas they are damage; elsewhere a header that asks for
 * more lines finds out whether data is left, since whole data then ends too soon.
 */
export async function isOverwritten(
  sharp: typeof createSharp,
  file: Uint8Array,
  maxPixels: number,
): Promise<boolean> {
  const layout = readLayout(file)
  const run = layout && findRun(file, layout.scan)
  if (!layout || run === null) return false
  if (run === 0 && layout.kind !== PROGRESSIVE && !layout.zerosArePlain) return true
  const taller = Buffer.from(file)
  const at = layout.frame + HEIGHT_AT
  const lines = taller.readUInt16BE(at) + layout.unitLines
  if (lines > MAX_LINES) return false
  taller.writeUInt16BE(lines, at)
  const look = sharp(taller, { failOn: 'warning', limitInputPixels: 2 * maxPixels })
  return look
    .raw()
    .toBuffer()
    .then(
      () => true,
      () => false,
    )
}

/** Null where the file is no JPEG of a kind that libjpeg reads in one go. */
function readLayout(file: Uint8Array): Layout | null {
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength)
  let layout: Omit<Layout, 'scan' | 'zerosArePlain'> | null = null
  let zerosArePlain = false
  for (let at = 2; at + 4 <= file.length && file[at] === MARKER; ) {
    const kind = file[at + 1] as number
    const end = at + 2 + view.getUint16(at + 2)
    if (end > file.length) return null
    if (FRAMES.includes(kind)) layout = { kind, frame: at, unitLines: readUnitLines(file, at) }
    if (kind === TABLES) zerosArePlain ||= hasPlainZeros(file.subarray(at + 4, end))
    if (kind === START_OF_SCAN) return layout && { ...layout, scan: end, zerosArePlain }
    at = end
  }
  return null
}

function readUnitLines(file: Uint8Array, frame: number): number {
  const count = file[frame + COMPONENTS_AT] as number
  const factors = Array.from({ length: count }, (_, i) => {
    return (file[frame + COMPONENTS_AT + 2 + 3 * i] as number) & 15
  })
  return 8 * Math.max(1, ...factors)
}

/** Whether the first code of a table for coefficients, which is of zeros, stands for none at all. */
function hasPlainZeros(segment: Uint8Array): boolean {
  for (let at = 0; at + 17 < segment.length; ) {
    const isCoefficients = (segment[at] as number) >> 4 === 1
    const symbols = segment.subarray(at + 1, at + 17).reduce((sum, count) => sum + count, 0)
    if (isCoefficients && ((segment[at + 17] as number) & 15) === 0) return true
    at += 17 + symbols
  }
  return false
}

/** The value of the first long run in the data, up to its end mark. */
function findRun(file: Uint8Array, start: number): number | null {
  let run = 1
  for (let at = start + 1; at < file.length; at++) {
    const value = file[at] as number
    if (value === END && file[at - 1] === MARKER) return null
    run = value === file[at - 1] ? run + 1 : 1
    if (run >= RUN) return value
  }
  return null
}
