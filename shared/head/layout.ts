/** "ESPH", read as a little-endian integer. */
export const MAGIC = 0x48505345
/** Version of the layout. */
export const SCHEMA = 1
/** Magic, schema and header length come first. */
export const HEADER_OFFSET = 12
/** Blocks start at multiples of this many bytes, so that they can be viewed in place. */
const BLOCK_ALIGNMENT = 64

export type BlockType = 'float32' | 'float16' | 'int32' | 'int8'

/** Bytes of one element. */
export const BLOCK_BYTES: Readonly<Record<BlockType, number>> = {
  float32: 4,
  float16: 2,
  int32: 4,
  int8: 1,
}

/** The next offset at which a block may start. */
export function alignUp(offset: number): number {
  return Math.ceil(offset / BLOCK_ALIGNMENT) * BLOCK_ALIGNMENT
}
