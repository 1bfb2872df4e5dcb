import { fileURLToPath } from 'node:url'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { listLayers } from '../../../shared/exporter/image/list-layers.ts'
import {
  layerBelowBlocks,
  layerNamed,
  listBlocks,
} from '../../../shared/exporter/image/transfer-blocks.ts'
import type { TransferLayer } from '../../../shared/lib/manifests/encoder-manifest.ts'

const builtin = fileURLToPath(new URL('../../../infra/models/efficientnet-lite0', import.meta.url))

/** Layers of given sizes, each with weights of its own. */
function layersOf(sizes: readonly number[]): TransferLayer[] {
  return sizes.map((size, at) => ({
    name: `layer${at}`,
    operator: 'Conv',
    shape: [size, 1, 1],
    parameters: 10 * (at + 1),
  }))
}

describe('blocks of a network', () => {
  it('end where the built-in network is narrow: with each of its own blocks', async () => {
    const { blocks } = await listLayers(builtin)
    const own = blocks.map((name) => /_blocks\.(\d+)\//.exec(name)?.[1]).filter(Boolean)
    expect([...new Set(own)]).toEqual(Array.from({ length: 16 }, (_, at) => String(at)))
    expect(blocks.slice(-2)).toEqual([
      '/_blocks.14/Add_output_0',
      '/_blocks.15/_project_conv/Conv_output_0',
    ])
  })

  it('end with every layer where a network only narrows, as residual networks do', () => {
    const layers = layersOf([64, 64, 32, 32, 16, 8])
    const names = listBlocks(layers, layers[5]!).map(({ name }) => name)
    expect(names).toEqual(['layer0', 'layer1', 'layer2', 'layer3', 'layer4'])
  })

  it('leave out what is wide inside of a block, and the wider side of a pool', () => {
    const layers = layersOf([20, 90, 60, 20, 90, 30, 30, 5])
    const pooled = layers.with(6, { ...layers[6]!, parameters: layers[5]!.parameters })
    const names = listBlocks(pooled, pooled[7]!).map(({ name }) => name)
    expect(names).toEqual(['layer0', 'layer3', 'layer6'])
  })

  it('are counted from the top, and a count names what the listing shows', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 1, max: 50 }), { minLength: 2 }), (sizes) => {
        const layers = layersOf(sizes)
        const chosen = layers.at(-1)!
        const blocks = listBlocks(layers, chosen)
        blocks.forEach((block, at) => {
          const found = layerBelowBlocks(layers, chosen, blocks.length - at)
          expect(found).toBe(block)
          expect(layerNamed(layers, chosen, block.name)).toBe(block)
          expect(block.parameters).toBeLessThan(chosen.parameters)
        })
        expect(() => layerBelowBlocks(layers, chosen, blocks.length + 1)).toThrow(
          `${blocks.length} blocks of this network can be trained`,
        )
      }),
    )
  })

  it.each([0, -1, 1.5])('are not %d', (count) => {
    const layers = layersOf([4, 3, 2])
    expect(() => layerBelowBlocks(layers, layers[2]!, count)).toThrow(`layers ${count}: 2 blocks`)
  })

  it('have no layer of another name, nor the embedding itself', () => {
    const layers = layersOf([4, 3, 2])
    for (const name of ['layer2', 'nowhere']) {
      expect(() => layerNamed(layers, layers[2]!, name)).toThrow(
        `from-layer ${name}: no layer with weights between it and layer2; the last are layer0, layer1`,
      )
    }
  })
})
