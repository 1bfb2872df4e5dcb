import { isKind, type PickleHost, type PickleValue } from './pickle.ts'
import type { Fail } from './tensor-file.ts'

/** The element types of PyTorch's storages, as safetensors spells them, with their bytes. */
const STORAGES: Readonly<Record<string, readonly [type: string, bytes: number]>> = {
  FloatStorage: ['F32', 4],
  HalfStorage: ['F16', 2],
  BFloat16Storage: ['BF16', 2],
  DoubleStorage: ['F64', 8],
  LongStorage: ['I64', 8],
  IntStorage: ['I32', 4],
  ShortStorage: ['I16', 2],
  CharStorage: ['I8', 1],
  ByteStorage: ['U8', 1],
  BoolStorage: ['BOOL', 1],
}
/** No weights have tensors of more axes. */
const MAX_RANK = 8

/** The numbers that tensors are views of. */
export interface TorchStorage {
  readonly key: string
  readonly type: string
  readonly elementBytes: number
  /** Elements, not bytes. */
  readonly count: number
}

/** A view of a storage: element [i, j] lies at offset + i · stride[0] + j · stride[1]. */
export interface TorchTensor {
  readonly storage: TorchStorage
  readonly offset: number
  readonly shape: readonly number[]
  readonly stride: readonly number[]
}

/**
 * What the names in a checkpoint stand for: dictionaries, storages and views of them. All others are refused.
 * @param storages every storage that is met, by its key
 */
export function createTorchHost(storages: Map<string, TorchStorage>, fail: Fail): PickleHost {
  return {
    findGlobal(module, name) {
      const full = `${module}.${name}`
      const isStorage = module === 'torch' && Object.hasOwn(STORAGES, name)
      if (isStorage || CALLED.has(full)) return { kind: 'global', module, name }
      return fail(
        `its pickle names ${full.slice(0, 200)}, which only a program can make: files of tensors alone are read; save the state_dict, or write it as safetensors`,
      )
    },
    reduce({ module, name }, args) {
      const full = `${module}.${name}`
      if (full === 'collections.OrderedDict') return mapOf(args[0], fail)
      if (full === 'torch._utils._rebuild_parameter') return args[0] ?? null
      if (full !== 'torch._utils._rebuild_tensor_v2' && full !== 'torch._utils._rebuild_tensor') {
        return fail(`its pickle calls ${full}`)
      }
      return { kind: 'made', what: 'tensor', value: readTensor(args, fail) }
    },
    load(id) {
      const storage = readStorage(id, fail)
      const before = storages.get(storage.key)
      if (before && (before.type !== storage.type || before.count !== storage.count)) {
        fail(`its storage ${storage.key} is described twice`)
      }
      storages.set(storage.key, storage)
      return { kind: 'made', what: 'storage', value: storage }
    },
  }
}

/** Python 2 wrote a dictionary with a list of its pairs. */
function mapOf(pairs: PickleValue | undefined, fail: Fail): Map<PickleValue, PickleValue> {
  const map = new Map<PickleValue, PickleValue>()
  for (const pair of Array.isArray(pairs) ? pairs : []) {
    if (!Array.isArray(pair) || pair.length !== 2) return fail('a dictionary has no such pairs')
    map.set(pair[0] as PickleValue, pair[1] as PickleValue)
  }
  return map
}

const CALLED = new Set([
  'collections.OrderedDict',
  'torch._utils._rebuild_tensor',
  'torch._utils._rebuild_tensor_v2',
  'torch._utils._rebuild_parameter',
])

/** The tensors of a state dictionary by name; what else it holds is passed over. */
export function tensorsOf(value: PickleValue, fail: Fail): Map<string, TorchTensor> {
  if (!(value instanceof Map)) return fail('holds no dictionary of tensors')
  const tensors = new Map<string, TorchTensor>()
  for (const [name, entry] of value) {
    if (typeof name !== 'string' || !isKind(entry, 'made') || entry.what !== 'tensor') continue
    tensors.set(name, entry.value as TorchTensor)
  }
  if (tensors.size === 0) fail('holds no tensors by name')
  return tensors
}

/** ('storage', torch.FloatStorage, '0', 'cpu', 3), and a view of it in old files, which is nothing since. */
function readStorage(id: PickleValue, fail: Fail): TorchStorage {
  const items = isKind(id, 'tuple') ? id.items : []
  const [what, type, key, , count, view] = items
  const isUsual =
    what === 'storage' && type !== undefined && isKind(type, 'global') && typeof key === 'string'
  if (!isUsual || typeof count !== 'number' || !Number.isSafeInteger(count) || count < 0) {
    return fail('its pickle describes a storage in a way that makes no sense')
  }
  if (view !== undefined && view !== null) fail('it has views of storages; save it anew')
  const [name, elementBytes] = STORAGES[type.name] ?? fail(`its storage is ${type.name}`)
  return { key, type: name, elementBytes, count }
}

function readTensor(args: readonly PickleValue[], fail: Fail): TorchTensor {
  const [storage, offset, size, stride] = args
  const isStorage = storage !== undefined && isKind(storage, 'made') && storage.what === 'storage'
  if (!isStorage || !isCount(offset)) return fail('its pickle makes a tensor of no storage')
  const tensor: TorchTensor = {
    storage: storage.value as TorchStorage,
    offset,
    shape: countsOf(size, fail),
    stride: countsOf(stride, fail),
  }
  checkBounds(tensor, fail)
  return tensor
}

/** A tensor lies within its storage and has no more elements than that: nothing grows when it is read. */
function checkBounds({ storage, offset, shape, stride }: TorchTensor, fail: Fail): void {
  if (shape.length !== stride.length || shape.length > MAX_RANK) fail('a tensor has no such shape')
  const elements = shape.reduce((product, size) => product * size, 1)
  if (elements === 0) return
  const last = shape.reduce((at, size, axis) => at + (size - 1) * (stride[axis] ?? 0), offset)
  const fits = Number.isSafeInteger(elements) && elements <= storage.count && last < storage.count
  if (!fits) fail(`a tensor [${shape.join(', ')}] does not fit its storage of ${storage.count}`)
}

function countsOf(value: PickleValue | undefined, fail: Fail): number[] {
  const items = value !== undefined && isKind(value, 'tuple') ? value.items : null
  if (items === null || !items.every(isCount)) return fail('a tensor has no such shape')
  return [...items]
}

function isCount(value: PickleValue | undefined): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0
}
