import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { z } from 'zod'
import { EspalierError } from '../../lib/errors.ts'
import { openSafetensors } from '../checkpoint/safetensors.ts'
import type { TensorFile } from '../checkpoint/tensor-file.ts'
import { openTorchCheckpoint } from '../checkpoint/torch-checkpoint.ts'
import { readJsonFile } from './json-file.ts'

/** Where the weights of a folder lie, in the order in which they are looked for. */
const LAYOUTS = [
  { kind: 'safetensors', file: 'model.safetensors', open: openSafetensors },
  { kind: 'shards', file: 'model.safetensors.index.json', open: openSafetensors },
  { kind: 'torch', file: 'pytorch_model.bin', open: openTorchCheckpoint },
  { kind: 'torch shards', file: 'pytorch_model.bin.index.json', open: openTorchCheckpoint },
] as const

/** How the weights of a folder are laid out. */
export type WeightsLayout = (typeof LAYOUTS)[number]

const MAX_INDEX_BYTES = 32 * 1024 * 1024
const MAX_SHARDS = 1_000
/** A shard lies beside its index, and nowhere else. */
const shardName = z.string().regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,200}$/)
const indexSchema = z.looseObject({ weight_map: z.record(z.string().max(1000), shardName) })

/** The weights of a folder; null where it has none. */
export function findWeights(folder: string): WeightsLayout | null {
  return LAYOUTS.find(({ file }) => existsSync(join(folder, file))) ?? null
}

/** The file that messages name. */
export function describeWeights(folder: string): string {
  return findWeights(folder)?.file ?? 'model.safetensors'
}

/**
 * Opens the weights of a folder: one file of safetensors or of PyTorch, or several with an index.
 * @throws EspalierError `invalid_model_file` naming the file, also a shard that is missing
 */
export async function openWeights(folder: string): Promise<TensorFile> {
  const layout = findWeights(folder)
  if (layout === null) {
    const message = `${folder}: has neither model.safetensors nor pytorch_model.bin`
    throw new EspalierError('invalid_model_file', message)
  }
  const { kind, file, open } = layout
  const isOne = kind === 'safetensors' || kind === 'torch'
  return isOne ? open(join(folder, file)) : openShards(folder, file, open)
}

async function openShards(
  folder: string,
  file: string,
  open: WeightsLayout['open'],
): Promise<TensorFile> {
  const index = await readJsonFile(join(folder, file), indexSchema, MAX_INDEX_BYTES)
  const places = new Map(Object.entries(index?.weight_map ?? {}))
  const shards = [...new Set(places.values())].sort()
  const fail = (reason: string): never => {
    throw new EspalierError('invalid_model_file', `${file}: ${reason}`)
  }
  if (shards.length === 0 || shards.length > MAX_SHARDS) fail(`names ${shards.length} shards`)
  const missing = shards.filter((shard) => !existsSync(join(folder, shard)))
  if (missing.length > 0) fail(`${missing.join(', ')} of its ${shards.length} shards is missing`)
  const opened = new Map<string, TensorFile>()
  const close = async () => {
    await Promise.all([...opened.values()].map((shard) => shard.close()))
  }
  try {
    for (const shard of shards) opened.set(shard, await open(join(folder, shard)))
    for (const [name, shard] of places) {
      const isThere = opened.get(shard)?.shape(name) != null
      if (!isThere) fail(`${shard} has no tensor ${name.slice(0, 200)}`)
    }
  } catch (error) {
    await close()
    throw error
  }
  const find = (name: string): TensorFile =>
    opened.get(places.get(name) ?? '') ?? fail(`has no tensor ${name}`)
  return {
    names: [...places.keys()],
    shape: (name) => (places.has(name) ? find(name).shape(name) : null),
    read: async (name) => find(name).read(name),
    describe: (name) => find(name).describe(name),
    readBytes: async (name) => find(name).readBytes(name),
    close,
  }
}
