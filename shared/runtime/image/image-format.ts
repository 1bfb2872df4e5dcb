/** A format by its first bytes; `name` is what people call it. */
interface Signature {
  readonly name: string
  readonly at: number
  readonly bytes: string
}

const SUPPORTED: readonly Signature[] = [
  { name: 'JPEG', at: 0, bytes: '\xff\xd8\xff' },
  { name: 'PNG', at: 0, bytes: '\x89PNG\r\n\x1a\n' },
  { name: 'WebP', at: 8, bytes: 'WEBP' },
]
const OTHERS: readonly Signature[] = [
  { name: 'GIF', at: 0, bytes: 'GIF8' },
  { name: 'TIFF', at: 0, bytes: 'II*\0' },
  { name: 'TIFF', at: 0, bytes: 'MM\0*' },
  { name: 'BMP', at: 0, bytes: 'BM' },
  { name: 'AVIF', at: 4, bytes: 'ftypavif' },
  { name: 'HEIF', at: 4, bytes: 'ftyp' },
  { name: 'JPEG XL', at: 0, bytes: '\xff\n' },
  { name: 'JPEG XL', at: 4, bytes: 'JXL ' },
  { name: 'PDF', at: 0, bytes: '%PDF' },
  { name: 'SVG or other XML', at: 0, bytes: '<' },
  { name: 'SVG or other XML', at: 0, bytes: '\xef\xbb\xbf<' },
]
/** All signatures lie within these first bytes. */
const LOOK_BYTES = 16

/** What a file is by its first bytes, whatever it is called; null where nothing fits. */
export function recognizeImage(file: Uint8Array): { name: string; supported: boolean } | null {
  const start = Buffer.from(file.subarray(0, LOOK_BYTES)).toString('latin1')
  const fits = ({ at, bytes }: Signature) => start.startsWith(bytes, at)
  const supported = SUPPORTED.find(fits)
  if (supported) return { name: supported.name, supported: true }
  const other = OTHERS.find(fits)
  return other ? { name: other.name, supported: false } : null
}
