import type { FileHandle } from 'node:fs/promises'
import { type Fail, readExactly } from './tensor-file.ts'

/** A file in an archive, stored as it is. */
export interface ZipEntry {
  readonly name: string
  /** Where its local header begins. */
  readonly header: number
  readonly bytes: number
}

const END_BYTES = 22
const MAX_COMMENT_BYTES = 65_535
const LOCATOR_BYTES = 20
const END64_BYTES = 56
const ENTRY_BYTES = 46
const LOCAL_BYTES = 30
/** A checkpoint of 100,000 tensors has some 8 MB of directory. */
const MAX_DIRECTORY_BYTES = 64 * 1024 * 1024
const WIDE = 0xffff_ffff

/**
 * Reads the directory of an archive as torch.save writes it: nothing compressed, sizes of 64 bits where needed
 * (APPNOTE.TXT of PKWARE, 4.3).
 * @throws what `fail` throws
 */
export async function readZipDirectory(
  handle: FileHandle,
  size: number,
  fail: Fail,
): Promise<Map<string, ZipEntry>> {
  const { offset, bytes } = await findDirectory(handle, size, fail)
  if (bytes > MAX_DIRECTORY_BYTES || offset + bytes > size) fail('its directory is damaged')
  const directory = await readExactly(handle, offset, bytes, fail)
  const entries = new Map<string, ZipEntry>()
  let at = 0
  while (at + ENTRY_BYTES <= bytes && directory.readUInt32LE(at) === 0x02014b50) {
    const entry = readEntry(directory, at, fail)
    if (entry.header + entry.bytes > size) fail(`${entry.name} lies outside the archive`)
    entries.set(entry.name, entry)
    at = entry.end
  }
  return entries
}

/** Where the bytes of an entry begin: behind its local header, whose length only that header knows. */
export async function locateEntry(
  handle: FileHandle,
  size: number,
  { name, header, bytes }: ZipEntry,
  fail: Fail,
): Promise<number> {
  const local = await readExactly(handle, header, LOCAL_BYTES, fail)
  if (local.readUInt32LE(0) !== 0x04034b50) fail(`${name} has no header in the archive`)
  const start = header + LOCAL_BYTES + local.readUInt16LE(26) + local.readUInt16LE(28)
  if (start + bytes > size) fail(`${name} lies outside the archive`)
  return start
}

async function findDirectory(handle: FileHandle, size: number, fail: Fail) {
  const length = Math.min(size, END_BYTES + MAX_COMMENT_BYTES + LOCATOR_BYTES)
  const start = size - length
  const tail = await readExactly(handle, start, length, fail)
  let at = tail.length - END_BYTES
  while (at >= 0 && tail.readUInt32LE(at) !== 0x06054b50) at--
  if (at < 0) fail('is an archive without a directory')
  const [bytes, offset] = [tail.readUInt32LE(at + 12), tail.readUInt32LE(at + 16)]
  const locator = at - LOCATOR_BYTES
  if (locator < 0 || tail.readUInt32LE(locator) !== 0x07064b50) return { bytes, offset }
  const end64 = toNumber(tail.readBigUInt64LE(locator + 8), fail)
  if (end64 + END64_BYTES > size) fail('its directory is damaged')
  const wide = await readExactly(handle, end64, END64_BYTES, fail)
  if (wide.readUInt32LE(0) !== 0x06064b50) fail('its directory is damaged')
  return {
    bytes: toNumber(wide.readBigUInt64LE(40), fail),
    offset: toNumber(wide.readBigUInt64LE(48), fail),
  }
}

function readEntry(directory: Buffer, at: number, fail: Fail) {
  const method = directory.readUInt16LE(at + 10)
  const [nameBytes, extraBytes, commentBytes] = [28, 30, 32].map((field) =>
    directory.readUInt16LE(at + field),
  ) as [number, number, number]
  const nameAt = at + ENTRY_BYTES
  const extraAt = nameAt + nameBytes
  const end = extraAt + extraBytes + commentBytes
  if (end > directory.length) fail('its directory is damaged')
  const name = directory.toString('utf8', nameAt, extraAt)
  if (method !== 0) fail(`${name} is compressed; torch.save compresses nothing`)
  const sizes = [24, 42].map((field) => directory.readUInt32LE(at + field)) as [number, number]
  const [bytes, header] = widen(directory.subarray(extraAt, extraAt + extraBytes), sizes, fail)
  return { name, header, bytes, end }
}

/** Sizes that do not fit 32 bits stand in a field of their own: bytes, then stored bytes, then the place. */
function widen(
  extra: Buffer,
  [bytes, header]: [number, number],
  fail: Fail,
): [bytes: number, header: number] {
  if (bytes !== WIDE && header !== WIDE) return [bytes, header]
  for (let at = 0; at + 4 <= extra.length; ) {
    const length = extra.readUInt16LE(at + 2)
    if (extra.readUInt16LE(at) === 1 && at + 4 + length <= extra.length) {
      const numbers = Array.from({ length: Math.floor(length / 8) }, (_, i) =>
        toNumber(extra.readBigUInt64LE(at + 4 + 8 * i), fail),
      )
      const own = bytes === WIDE ? numbers[0] : bytes
      const place = header === WIDE ? numbers.at(-1) : header
      if (own !== undefined && place !== undefined) return [own, place]
    }
    at += 4 + length
  }
  return fail('its directory is damaged')
}

function toNumber(value: bigint, fail: Fail): number {
  return value <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(value) : fail('its directory is damaged')
}
