import { describe, expect, it } from 'vitest'
import { pickDiverse, sampleTexts } from '../../../shared/exporter/int8/sample-texts.ts'

const text = (...ids: number[]) => Int32Array.from(ids)

/** Layers of which only the size counts. */
function encoderOf(parameters: number) {
  const linear = { inputs: 1, outputs: 1, weight: new Float32Array(0), bias: new Float32Array(0) }
  const norm = { gamma: new Float32Array(0), beta: new Float32Array(0) }
  const sized = { ...linear, weight: { length: parameters } as Float32Array }
  return {
    layers: [
      {
        qkv: sized,
        out: linear,
        ffnIn: linear,
        ffnOut: linear,
        attentionNorm: norm,
        outputNorm: norm,
      },
    ],
  }
}

describe('texts for calibration', () => {
  it('are all of them where they fit', () => {
    const texts = [text(1, 2), text(1, 2), text(3)]
    expect(pickDiverse(texts, 5)).toEqual(texts)
  })

  it('are those with most tokens not seen before, in their order', () => {
    const texts = [text(1, 1, 1, 1), text(1, 2), text(1, 2), text(3, 4, 5), text(2, 6)]
    // By hand: 3 4 5 is all new, as 1 2 and then nothing else is; 2 6 brings half.
    expect(pickDiverse(texts, 7)).toEqual([text(1, 2), text(3, 4, 5), text(2, 6)])
    expect(pickDiverse(texts, 5)).toEqual([text(1, 2), text(3, 4, 5)])
  })

  it('pass over a text that is too long for what is left', () => {
    expect(pickDiverse([text(1, 2, 3), text(4, 5), text(6)], 4)).toEqual([text(1, 2, 3), text(6)])
  })

  it('are fewer for a large encoder, and never more than sums of 32 bits hold', () => {
    const texts = Array.from({ length: 4000 }, (_, i) => text(...Array(10).fill(i)))
    const tokens = (parameters: number) =>
      sampleTexts(encoderOf(parameters), texts).reduce((sum, { length }) => sum + length, 0)
    expect(tokens(10_000_000)).toBe(16_380)
    expect(tokens(50_000_000)).toBe(3_500)
    expect(tokens(300_000_000)).toBe(2_040)
  })
})
