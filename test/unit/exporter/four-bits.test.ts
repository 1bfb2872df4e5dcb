import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterAll, describe, expect, it } from 'vitest'
import { openSafetensors } from '../../../shared/exporter/checkpoint/safetensors.ts'
import { isEspalierError } from '../../../shared/lib/errors.ts'

const folder = mkdtempSync(join(tmpdir(), 'espalier-four-bits-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

const METADATA = { format: 'pt', espalier_u8: 'q4_0' }
/** 0.5 and -2 in binary16 (IEEE 754-2008), and infinity. */
const SCALES = { half: [0x00, 0x38], minusTwo: [0x00, 0xc0], infinite: [0x00, 0x7c] }

function writeFile(name: string, header: unknown, data: Uint8Array): string {
  const json = Buffer.from(JSON.stringify(header))
  const length = Buffer.alloc(8)
  length.writeBigUInt64LE(BigInt(json.length))
  const path = join(folder, name)
  writeFileSync(path, Buffer.concat([length, json, data]))
  return path
}

/** Byte j has j % 16 low and 15 - j % 16 high. */
function block(scale: readonly number[]): number[] {
  return [...scale, ...Array.from({ length: 16 }, (_, j) => j | ((15 - j) << 4))]
}

/** What the block above stands for, by the definition of Q4_0 in ggml-quants.c. */
function expected(scale: number): number[] {
  const low = Array.from({ length: 16 }, (_, j) => (j - 8) * scale + 0)
  return [...low, ...low.toReversed()]
}

function twoRows(shape: readonly number[], metadata: unknown = METADATA, first = SCALES.half) {
  const data = Uint8Array.from([...block(first), ...block(SCALES.minusTwo)])
  const header = {
    __metadata__: metadata,
    a: { dtype: 'U8', shape, data_offsets: [0, data.length] },
    b: { dtype: 'F32', shape: [1], data_offsets: [data.length, data.length + 4] },
  }
  return { header, data: Buffer.concat([data, Buffer.from(Float32Array.of(3).buffer)]) }
}

describe('weights of 4 bits', () => {
  it('are read as the float32 numbers that they stand for, beside others', async () => {
    const { header, data } = twoRows([2, 18])
    const file = await openSafetensors(writeFile('sound.safetensors', header, data))
    try {
      expect(file.shape('a')).toEqual([2, 32])
      expect(file.describe('a')).toEqual({ type: 'F32', shape: [2, 32], bytes: 256 })
      const values = await file.read('a')
      expect([...values]).toEqual([...expected(0.5), ...expected(-2)])
      const bytes = await file.readBytes('a')
      expect([...new Float32Array(bytes.slice().buffer)]).toEqual([...values])
      expect([...(await file.read('b'))]).toEqual([3])
    } finally {
      await file.close()
    }
  })

  it('several blocks make a row', async () => {
    const { header, data } = twoRows([36])
    const file = await openSafetensors(writeFile('row.safetensors', header, data))
    expect(file.shape('a')).toEqual([64])
    await file.close()
  })

  it.each([
    ['rows that are not whole blocks', twoRows([3, 12]), 'no rows of 18 bytes a block'],
    ['a number without a shape', twoRows([]), 'has 36 bytes'],
    ['a shape of another size', twoRows([3, 18]), 'has 36 bytes'],
    ['another format', twoRows([2, 18], { espalier_u8: 'q4_1' }), 'q4_1"; supported: q4_0'],
    ['a format that is no text', twoRows([2, 18], { espalier_u8: [] }), 'supported: q4_0'],
  ])('refuses %s', async (name, { header, data }, message) => {
    const path = writeFile(`${name}.safetensors`, header, data)
    await expect(openSafetensors(path)).rejects.toMatchObject({
      code: 'invalid_model_file',
      message: expect.stringContaining(message),
    })
  })

  it('refuses a scale that is no finite number', async () => {
    const { header, data } = twoRows([2, 18], METADATA, SCALES.infinite)
    const file = await openSafetensors(writeFile('infinite.safetensors', header, data))
    await expect(file.read('a')).rejects.toMatchObject({ code: 'invalid_model_file' })
    await file.close()
  })

  it('refuses bytes that no metadata explains', async () => {
    const { header, data } = twoRows([2, 18], { format: 'pt' })
    const file = await openSafetensors(writeFile('plain.safetensors', header, data))
    await expect(file.read('a')).rejects.toMatchObject({
      code: 'unsupported_model',
      message: expect.stringContaining('is U8'),
    })
    await file.close()
  })

  it('a damaged file is refused or read, and nothing else', async () => {
    const { header, data } = twoRows([2, 18])
    const path = writeFile('damaged.safetensors', header, data)
    const whole = Buffer.concat([
      Buffer.from(BigUint64Array.of(BigInt(JSON.stringify(header).length)).buffer),
      Buffer.from(JSON.stringify(header)),
      data,
    ])
    const change = fc.tuple(fc.nat(whole.length - 1), fc.nat(255))
    await fc.assert(
      fc.asyncProperty(fc.array(change, { minLength: 1, maxLength: 4 }), async (changes) => {
        const bytes = Buffer.from(whole)
        for (const [at, value] of changes) bytes[at] = value
        writeFileSync(path, bytes)
        try {
          const file = await openSafetensors(path)
          try {
            for (const name of file.names) await file.read(name)
          } finally {
            await file.close()
          }
        } catch (error) {
          if (!isEspalierError(error)) throw error
        }
      }),
      { numRuns: 400 },
    )
  })
})
