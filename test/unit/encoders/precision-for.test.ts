import { describe, expect, it } from 'vitest'
import { type PrecisionWish, precisionFor } from '../../../shared/encoder/verify-artifact.ts'
import type { GraphSpec, Precision } from '../../../shared/lib/manifests/encoder-manifest.ts'

const spec: GraphSpec = {
  fingerprint: 'f'.repeat(64),
  file: 'graph.onnx',
  data: null,
  inputs: [{ name: 'ids', role: 'ids', type: 'int32' }],
  embedding: 'embedding',
  pooled: null,
  hidden: null,
  pooling: null,
}

const choose = (has: Precision[], wish: PrecisionWish, modality: 'text' | 'image' = 'text') =>
  precisionFor({ modality, graphs: Object.fromEntries(has.map((each) => [each, spec])) }, wish)

describe('the precision that runs', () => {
  it.each<[Precision[], Precision, PrecisionWish['device'], Precision]>([
    [['float32', 'float16', 'int8'], 'int8', 'cpu', 'int8'],
    [['float32', 'float16'], 'int8', 'cpu', 'float32'],
    [['float16'], 'int8', 'cpu', 'float16'],
    [['float32', 'int8'], 'float16', 'cuda', 'float32'],
    [['float16', 'int8'], 'float32', 'webgpu', 'float16'],
  ])('of %j, where nobody named %s, is on %s %s', (has, precision, device, best) => {
    expect(choose(has, { precision, device, orBest: true })).toBe(best)
  })

  it('is the one that was named, also where it is missing', () => {
    expect(choose(['float32', 'int8'], { precision: 'float32', device: 'cpu' })).toBe('float32')
    expect(choose(['float32'], { precision: 'int8', device: 'cpu' })).toBe('int8')
  })

  it('is never int8 on a GPU, where nothing runs it', () => {
    const wish = { precision: 'float16', device: 'cuda', orBest: true } as const
    expect(choose(['int8'], wish)).toBe('float16')
  })

  it('of images is float32 where there is no other, whoever named it', () => {
    expect(choose(['float32'], { precision: 'int8', device: 'cpu' }, 'image')).toBe('float32')
  })
})
