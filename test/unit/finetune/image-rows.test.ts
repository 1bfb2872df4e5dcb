import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import sharp from 'sharp'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { readImageNetwork } from '../../../shared/exporter/image/image-network.ts'
import { chooseLayer, listTransferLayers } from '../../../shared/exporter/image/transfer-layers.ts'
import { readImageFolder } from '../../../shared/exporter/source/image-folder.ts'
import { fillImageRows } from '../../../shared/finetune/image/image-rows.ts'
import { createImageTrunk } from '../../../shared/finetune/image/image-trunk.ts'
import { serializeModel } from '../../../shared/onnx/writer.ts'
import { openImageDecoder } from '../../../shared/runtime/image/image-decoder.ts'
import { createTensorFiller } from '../../../shared/runtime/image/image-tensor.ts'
import { openSession } from '../../../shared/runtime/session.ts'
import { TINY_SIDE, writeTinyImageFolder } from '../../fakes/tiny-image-network.ts'

let folder = ''
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'espalier-image-rows-'))
  await writeTinyImageFolder(folder)
})
afterAll(() => rm(folder, { recursive: true, force: true }))

/** Features of images at the tiny network's first layer, and which rows were asked for. */
async function fill(files: readonly Uint8Array[], flip: boolean) {
  const source = await readImageFolder(folder, { name: 'tiny' })
  const network = await readImageNetwork(source)
  const layers = await listTransferLayers(network)
  const below = layers.find(({ name }) => name === 'relu') ?? null
  const layer = chooseLayer(network, layers, undefined)
  const trunk = createImageTrunk({ network, layer, below })
  const session = await openSession(serializeModel(trunk.lower).graph)
  const rows: number[] = []
  const values = await fillImageRows(
    files.map((_, row) => `${row}.png`),
    {
      ...{ session, trunk, flip },
      decoder: await openImageDecoder(source.preprocessing, 1e6),
      fill: createTensorFiller(source.preprocessing),
      dims: [1, 3, TINY_SIDE, TINY_SIDE],
      load: async (row) => files[row] as Uint8Array,
      onRow: (row) => rows.push(row),
    },
  )
  await session.release()
  const width = trunk.shape.reduce((product, dim) => product * dim, 1)
  const take = (row: number) => Array.from(values.subarray(row * width, (row + 1) * width))
  return { take, rows, count: values.length / width }
}

it('puts the features of a mirrored image behind those of the image', async () => {
  // As large as the network's own resize: nothing is rounded.
  const raw = { width: 10, height: 10, channels: 3 } as const
  const draw = (seed: number) =>
    sharp(
      Uint8Array.from({ length: 300 }, (_, at) => (at * at * seed) % 251),
      { raw },
    )
  const images = await Promise.all([3, 7].map((seed) => draw(seed).png().toBuffer()))
  const mirrored = await Promise.all([3, 7].map((seed) => draw(seed).flop().png().toBuffer()))
  const twice = await fill(images, true)
  const plain = await fill([...images, ...mirrored], false)
  expect([twice.count, plain.count, twice.rows]).toEqual([4, 4, [0, 1]])
  expect([0, 1, 2, 3].map(twice.take)).toEqual([0, 2, 1, 3].map(plain.take))
  expect(twice.take(0)).not.toEqual(twice.take(1))
})
