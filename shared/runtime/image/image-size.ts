/** Width and height of an image file as its header says. */
export interface HeaderSize {
  readonly width: number
  readonly height: number
}

/**
 * Reads the size of a JPEG, PNG or WebP file from its header, without decoding anything; null where there is none
 * to read, which a decoder refuses as well. Turned upright or not, an image has the same number of pixels.
 */
export function readImageSize(file: Uint8Array): HeaderSize | null {
  const bytes = Buffer.from(file.buffer, file.byteOffset, file.byteLength)
  if (bytes.length >= 24 && bytes.toString('latin1', 12, 16) === 'IHDR') {
    return { width: bytes.readUInt32BE(16), height: bytes.readUInt32BE(20) }
  }
  if (bytes.length >= 30 && bytes.toString('latin1', 8, 12) === 'WEBP') return readWebp(bytes)
  if (bytes[0] === 0xff && bytes[1] === 0xd8) return readJpeg(bytes)
  return null
}

/** The canvas where the file has one, which every frame lies in; else the size of its only image. */
function readWebp(bytes: Buffer): HeaderSize | null {
  switch (bytes.toString('latin1', 12, 16)) {
    case 'VP8X':
      return { width: bytes.readUIntLE(24, 3) + 1, height: bytes.readUIntLE(27, 3) + 1 }
    case 'VP8L': {
      const bits = bytes.readUInt32LE(21)
      return { width: (bits & 0x3fff) + 1, height: ((bits >>> 14) & 0x3fff) + 1 }
    }
    case 'VP8 ':
      return { width: bytes.readUInt16LE(26) & 0x3fff, height: bytes.readUInt16LE(28) & 0x3fff }
    default:
      return null
  }
}

/** Walks the segments to the start of the frame; what stands between segments is passed over, as decoders do. */
function readJpeg(bytes: Buffer): HeaderSize | null {
  let at = 2
  while (at + 9 <= bytes.length) {
    at = bytes.indexOf(0xff, at)
    if (at < 0 || at + 9 > bytes.length) return null
    const marker = bytes[at + 1]!
    if (marker === 0xff) at += 1
    else if (isFrame(marker)) {
      return { width: bytes.readUInt16BE(at + 7), height: bytes.readUInt16BE(at + 5) }
    } else if (hasLength(marker)) at += 2 + Math.max(2, bytes.readUInt16BE(at + 2))
    else at += 2
  }
  return null
}

/** SOF0 to SOF15, but for the tables and the reserved one among them. */
function isFrame(marker: number): boolean {
  return marker >= 0xc0 && marker <= 0xcf && marker !== 0xc4 && marker !== 0xc8 && marker !== 0xcc
}

/** Stuffed zeros, restarts and the start of an image stand alone. */
function hasLength(marker: number): boolean {
  return marker !== 0 && marker !== 0x01 && !(marker >= 0xd0 && marker <= 0xd8)
}
