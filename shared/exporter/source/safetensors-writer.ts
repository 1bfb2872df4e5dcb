import { type FileHandle, open } from 'node:fs/promises'

/** One tensor to write; its values are asked for when their turn comes. */
export interface TensorToWrite {
  readonly name: string
  /** As the format spells it: `F32`, `I64` … */
  readonly type: string
  readonly shape: readonly number[]
  readonly bytes: number
  read(): Promise<Uint8Array>
}

const ALIGNMENT = 8
const LENGTH_BYTES = 8

/** Writes a safetensors file, one tensor in memory at a time; `format: pt` is what transformers asks for. */
export async function writeSafetensors(
  path: string,
  tensors: readonly TensorToWrite[],
): Promise<void> {
  const handle = await open(path, 'wx')
  try {
    await handle.writeFile(encodeHeader(tensors))
    for (const tensor of tensors) await writeTensor(handle, tensor)
    await handle.sync()
  } finally {
    await handle.close()
  }
}

async function writeTensor(handle: FileHandle, tensor: TensorToWrite): Promise<void> {
  const bytes = await tensor.read()
  if (bytes.byteLength !== tensor.bytes) {
    throw new RangeError(`${tensor.name} has ${bytes.byteLength} bytes, not ${tensor.bytes}`)
  }
  await handle.writeFile(bytes)
}

/** Length and JSON, padded with spaces so that the data is aligned. */
function encodeHeader(tensors: readonly TensorToWrite[]): Uint8Array {
  let at = 0
  const entries = tensors.map(({ name, type, shape, bytes }) => {
    const offsets = [at, at + bytes]
    at += bytes
    return [name, { dtype: type, shape, data_offsets: offsets }] as const
  })
  const header = { __metadata__: { format: 'pt' }, ...Object.fromEntries(entries) }
  const json = new TextEncoder().encode(JSON.stringify(header))
  const length = Math.ceil(json.length / ALIGNMENT) * ALIGNMENT
  const bytes = new Uint8Array(LENGTH_BYTES + length).fill(0x20)
  new DataView(bytes.buffer).setBigUint64(0, BigInt(length), true)
  bytes.set(json, LENGTH_BYTES)
  return bytes
}
