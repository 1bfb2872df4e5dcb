import { readFileSync } from 'node:fs'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import loadWabt from 'wabt'
import { createResample } from '../../../shared/runtime/image/image-resample.ts'
import { RESAMPLE_CODE } from '../../../shared/runtime/image/resample-code.ts'
import {
  type Axis,
  type Interpolation,
  planTaps,
} from '../../../shared/runtime/image/resample-taps.ts'

const ONE = 2 ** 22
const interpolations = ['linear', 'cubic', 'lanczos3'] as const

test('the committed code is what resample.wat assembles to', async () => {
  const wabt = await loadWabt()
  const source = readFileSync(
    new URL('../../../shared/runtime/image/resample.wat', import.meta.url),
    'utf8',
  )
  const { buffer } = wabt.parseWat('resample.wat', source, { simd: true }).toBinary({})
  expect(Buffer.from(buffer).toString('base64')).toBe(RESAMPLE_CODE)
})

/** A resize of one axis, and the part of it that is wanted. */
const axes = fc
  .record({
    source: fc.integer({ min: 1, max: 90 }),
    resized: fc.integer({ min: 1, max: 60 }),
    from: fc.double({ min: 0, max: 1, noNaN: true }),
    part: fc.double({ min: 0, max: 1, noNaN: true }),
  })
  .map(({ source, resized, from, part }): Axis => {
    const count = Math.max(1, Math.floor(resized * part))
    return { source, resized, start: Math.floor((resized - count) * from), count }
  })

test('gives the plain sums, whatever the sizes and the area', () => {
  fc.assert(
    fc.property(
      axes,
      axes,
      fc.constantFrom(...interpolations),
      fc.integer({ min: 0, max: 999 }),
      (across, down, interpolation, seed) => {
        const pixels = drawPixels(across.source, down.source, seed)
        const found = resizeBy(interpolation, pixels, across, down)
        expect(found).toEqual(resizePlainly(interpolation, pixels, across, down))
      },
    ),
    { numRuns: 150 },
  )
})

test.each([
  ['in several pieces', 900, 300],
  ['of lines longer than a piece', 50_000, 3],
  ['beyond the memory that is kept', 20, 60_000],
])('gives them for an image %s', (_, width, height) => {
  const pixels = drawPixels(width, height, 7)
  const across = { source: width, resized: 32, start: 2, count: 30 }
  const down = { source: height, resized: Math.min(height, 20), start: 0, count: 3 }
  const all = { ...down, resized: height, count: height }
  const resize = createResample('cubic')
  for (const rows of [all, down]) {
    const found = resizeBy('cubic', pixels, across, rows, resize)
    expect(Buffer.compare(found, resizePlainly('cubic', pixels, across, rows))).toBe(0)
  }
})

test('the weights of a value sum to one, and an equal size changes nothing', () => {
  fc.assert(
    fc.property(axes, fc.constantFrom(...interpolations), (axis, interpolation) => {
      const { weights, length } = planTaps(axis, interpolation, 1)
      for (let i = 0; i < axis.count; i++) {
        const sum = weights.subarray(i * length, (i + 1) * length).reduce((a, b) => a + b, 0)
        expect(Math.abs(sum - ONE)).toBeLessThanOrEqual(length)
      }
    }),
    { numRuns: 100 },
  )
  const pixels = drawPixels(13, 11, 1)
  const whole = (size: number): Axis => ({ source: size, resized: size, start: 0, count: size })
  for (const interpolation of interpolations) {
    expect(resizeBy(interpolation, pixels, whole(13), whole(11))).toEqual(pixels)
  }
})

function drawPixels(width: number, height: number, seed: number): Uint8Array {
  const pixels = new Uint8Array(width * height * 3)
  // Extremes side by side, so that sums leave 0 ... 255 and must be cut.
  for (let i = 0, state = seed; i < pixels.length; i++) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    pixels[i] = state >> 31 === 0 ? state >>> 24 : state & (1 << 20) ? 255 : 0
  }
  return pixels
}

function resizeBy(
  interpolation: Interpolation,
  pixels: Uint8Array,
  across: Axis,
  down: Axis,
  resize = createResample(interpolation),
): Uint8Array {
  return resize(
    pixels,
    { width: across.source, height: down.source },
    {
      resized: { width: across.resized, height: down.resized },
      area: { left: across.start, top: down.start, width: across.count, height: down.count },
    },
  )
}

/** The definition, value by value: across in 8 bits, then down. */
function resizePlainly(
  interpolation: Interpolation,
  pixels: Uint8Array,
  across: Axis,
  down: Axis,
): Uint8Array {
  const columns = planTaps(across, interpolation, 1)
  const rows = planTaps(down, interpolation, 1)
  const round = (sum: number) => Math.min(255, Math.max(0, (sum + ONE / 2) >> 22))
  const stride = across.count * 3
  const narrow = new Uint8Array(down.source * stride)
  for (let at = 0; at < narrow.length; at++) {
    const [line, x, channel] = [Math.floor(at / stride), Math.floor((at % stride) / 3), at % 3]
    let sum = 0
    for (let tap = 0; tap < columns.length; tap++) {
      const weight = columns.weights[x * columns.length + tap]!
      if (weight === 0) continue
      sum += weight * pixels[3 * (line * across.source + columns.firsts[x]! + tap) + channel]!
    }
    narrow[at] = round(sum)
  }
  const target = new Uint8Array(down.count * stride)
  for (let at = 0; at < target.length; at++) {
    const [y, x] = [Math.floor(at / stride), at % stride]
    let sum = 0
    for (let tap = 0; tap < rows.length; tap++) {
      const weight = rows.weights[y * rows.length + tap]!
      if (weight !== 0) sum += weight * narrow[(rows.firsts[y]! + tap) * stride + x]!
    }
    target[at] = round(sum)
  }
  return target
}
