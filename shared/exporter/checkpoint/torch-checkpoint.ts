import { type FileHandle, open } from 'node:fs/promises'
import { basename } from 'node:path'
import { EspalierError } from '../../lib/errors.ts'
import { type PickleValue, readPickle } from './pickle.ts'
import { type Fail, readExactly, type TensorFile, widenTensor } from './tensor-file.ts'
import { createTorchHost, type TorchStorage, type TorchTensor, tensorsOf } from './torch-values.ts'
import { locateEntry, readZipDirectory } from './zip-directory.ts'

/** Names and shapes of 100,000 tensors are some 10 MB of pickle. */
const MAX_PICKLE_BYTES = 32 * 1024 * 1024
/** What torch.save began files with before it wrote archives. */
const LEGACY_MAGIC = 0x1950a86a20f9469cfc6cn
const LEGACY_PROTOCOL = 1001
const COUNT_BYTES = 8

/** Where the storages of a checkpoint begin in its file. */
interface Layout {
  readonly value: PickleValue
  readonly storages: ReadonlyMap<string, TorchStorage>
  readonly places: ReadonlyMap<string, number>
}

/**
 * Opens what torch.save wrote, an archive or the older form, without running its pickle.
 * @throws EspalierError `invalid_model_file` naming the file and what is wrong, or what is in it beside tensors
 */
export async function openTorchCheckpoint(path: string): Promise<TensorFile> {
  const file = basename(path)
  const fail: Fail = (reason, cause) => {
    throw new EspalierError('invalid_model_file', `${file}: ${reason}`, { cause })
  }
  const handle = await open(path, 'r').catch((cause: Error) => fail(cause.message, cause))
  try {
    const { size } = await handle.stat()
    const start = await readExactly(handle, 0, Math.min(4, size), fail)
    const isArchive = start.length === 4 && start.readUInt32LE(0) === 0x04034b50
    if (!isArchive && start[0] !== 0x80) fail('is nothing that torch.save wrote')
    const layout = await (isArchive ? readArchive : readLegacy)(handle, size, fail)
    const tensors = tensorsOf(layout.value, fail)
    for (const { storage } of tensors.values()) checkPlace(storage, layout, size, fail)
    return openedFile(handle, file, tensors, layout, fail)
  } catch (error) {
    await handle.close()
    throw error
  }
}

/** `archive/data.pkl`, and a file `archive/data/KEY` for each storage. */
async function readArchive(handle: FileHandle, size: number, fail: Fail): Promise<Layout> {
  const entries = await readZipDirectory(handle, size, fail)
  const main = [...entries.values()].find(({ name }) => /^[^/]+\/data\.pkl$/.test(name))
  if (main === undefined)
    return fail('is an archive without data.pkl: nothing that torch.save wrote')
  if (main.bytes > MAX_PICKLE_BYTES) fail(`its data.pkl has ${main.bytes} bytes`)
  const root = main.name.slice(0, -'data.pkl'.length)
  const order = entries.get(`${root}byteorder`)
  if (order !== undefined && order.bytes === 3) fail('has big-endian numbers')
  const at = await locateEntry(handle, size, main, fail)
  const pickle = await readExactly(handle, at, main.bytes, fail)
  const storages = new Map<string, TorchStorage>()
  const { value } = readPickle(pickle, 0, createTorchHost(storages, fail), fail)
  const places = new Map<string, number>()
  for (const { key, count, elementBytes } of storages.values()) {
    const entry = entries.get(`${root}data/${key}`) ?? fail(`has no storage ${key.slice(0, 100)}`)
    if (entry.bytes < count * elementBytes) fail(`its storage ${key} has ${entry.bytes} bytes`)
    places.set(key, await locateEntry(handle, size, entry, fail))
  }
  return { value, storages, places }
}

/** Pickles of a magic number, a version, the machine and the value, then keys, then each storage with its count. */
async function readLegacy(handle: FileHandle, size: number, fail: Fail): Promise<Layout> {
  const head = await readExactly(handle, 0, Math.min(size, MAX_PICKLE_BYTES), fail)
  const storages = new Map<string, TorchStorage>()
  const host = createTorchHost(storages, fail)
  const magic = readPickle(head, 0, host, fail)
  const version = readPickle(head, magic.end, host, fail)
  if (magic.value !== LEGACY_MAGIC || version.value !== LEGACY_PROTOCOL) {
    fail('is nothing that torch.save wrote')
  }
  const machine = readPickle(head, version.end, host, fail)
  const isLittle = machine.value instanceof Map && machine.value.get('little_endian') !== false
  if (!isLittle) fail('has big-endian numbers')
  const main = readPickle(head, machine.end, host, fail)
  const keys = readPickle(head, main.end, host, fail)
  if (!Array.isArray(keys.value)) return fail('does not list its storages')
  const places = new Map<string, number>()
  let at = keys.end
  for (const key of keys.value) {
    const storage = typeof key === 'string' ? storages.get(key) : undefined
    if (storage === undefined) return fail('lists a storage that it does not describe')
    const count = await readExactly(handle, at, COUNT_BYTES, fail)
    if (count.readBigInt64LE(0) !== BigInt(storage.count)) fail(`its storage ${key} is damaged`)
    places.set(storage.key, at + COUNT_BYTES)
    at += COUNT_BYTES + storage.count * storage.elementBytes
  }
  return { value: main.value, storages, places }
}

function checkPlace(storage: TorchStorage, { places }: Layout, size: number, fail: Fail): void {
  const place = places.get(storage.key) ?? fail(`has no storage ${storage.key.slice(0, 100)}`)
  if (place + storage.count * storage.elementBytes > size) {
    fail(`its storage ${storage.key} ends beyond the file`)
  }
}

function openedFile(
  handle: FileHandle,
  file: string,
  tensors: ReadonlyMap<string, TorchTensor>,
  { places }: Layout,
  fail: Fail,
): TensorFile {
  const find = (name: string) => tensors.get(name) ?? fail(`has no tensor ${name}`)
  const readBytes = async (name: string) => {
    const tensor = find(name)
    const { storage, offset, shape, stride } = tensor
    const width = storage.elementBytes
    const elements = countOf(shape)
    const place = places.get(storage.key) as number
    if (isContiguous(tensor)) {
      return readExactly(handle, place + offset * width, elements * width, fail)
    }
    const all = await readExactly(handle, place, storage.count * width, fail)
    return gather(all, { offset, shape, stride }, width)
  }
  return {
    names: [...tensors.keys()],
    shape: (name) => tensors.get(name)?.shape ?? null,
    describe(name) {
      const { storage, shape } = find(name)
      return { type: storage.type, shape, bytes: countOf(shape) * storage.elementBytes }
    },
    readBytes,
    read: async (name) => widenTensor(file, name, find(name).storage.type, await readBytes(name)),
    close: () => handle.close(),
  }
}

function isContiguous({ shape, stride }: TorchTensor): boolean {
  let wanted = 1
  for (let axis = shape.length - 1; axis >= 0; axis--) {
    if (shape[axis] !== 1 && stride[axis] !== wanted) return false
    wanted *= shape[axis] as number
  }
  return true
}

/** The elements of a view, row by row. */
function gather(
  bytes: Uint8Array,
  { offset, shape, stride }: Pick<TorchTensor, 'offset' | 'shape' | 'stride'>,
  width: number,
): Uint8Array<ArrayBuffer> {
  const target = new Uint8Array(countOf(shape) * width)
  const index = shape.map(() => 0)
  for (let to = 0; to < target.length; to += width) {
    const from = index.reduce((at, i, axis) => at + i * (stride[axis] as number), offset) * width
    target.set(bytes.subarray(from, from + width), to)
    for (let axis = shape.length - 1; axis >= 0; axis--) {
      index[axis] = ((index[axis] as number) + 1) % (shape[axis] as number)
      if (index[axis] !== 0) break
    }
  }
  return target
}

function countOf(shape: readonly number[]): number {
  return shape.reduce((product, size) => product * size, 1)
}
