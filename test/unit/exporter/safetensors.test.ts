import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterAll, describe, expect, it } from 'vitest'
import { openSafetensors } from '../../../shared/exporter/checkpoint/safetensors.ts'
import { isEspalierError } from '../../../shared/lib/errors.ts'

const folder = mkdtempSync(join(tmpdir(), 'espalier-safetensors-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

function writeFile(name: string, header: unknown, data: Uint8Array): string {
  const json = Buffer.from(typeof header === 'string' ? header : JSON.stringify(header))
  const length = Buffer.alloc(8)
  length.writeBigUInt64LE(BigInt(json.length))
  const path = join(folder, name)
  writeFileSync(path, Buffer.concat([length, json, data]))
  return path
}

const half = (bits: number[]) => new Uint8Array(Uint16Array.from(bits).buffer)

describe('openSafetensors', () => {
  it.each([
    ['F32', new Uint8Array(Float32Array.of(1, -2.5, 0.1, 65_504).buffer)],
    // 1, −2.5, nearest half to 0.1, largest half (IEEE 754-2008, binary16).
    ['F16', half([0x3c00, 0xc100, 0x2e66, 0x7bff])],
    ['BF16', half([0x3f80, 0xc020, 0x3dcd, 0x4780])],
  ])('reads %s', async (dtype, data) => {
    const header = { a: { dtype, shape: [2, 2], data_offsets: [0, data.length] } }
    const file = await openSafetensors(writeFile(`${dtype}.safetensors`, header, data))
    try {
      expect(file.shape('a')).toEqual([2, 2])
      expect(file.shape('b')).toBeNull()
      const values = await file.read('a')
      const expected = { F32: 65_504, F16: 65_504, BF16: 65_536 }[dtype] as number
      expect([...values.slice(0, 2), values[3]]).toEqual([1, -2.5, expected])
      expect(values[2]).toBeCloseTo(0.1, 3)
    } finally {
      await file.close()
    }
  })

  it.each([
    ['a header longer than the file', null, 'does not fit the file'],
    ['no JSON', '{"a":', 'not JSON'],
    ['a list', [], 'not a JSON object'],
    ['an entry of the wrong form', { a: { dtype: 'F32', shape: [1] } }, 'entry a is malformed'],
    ['a negative shape', entry([-1], [0, 4]), 'malformed'],
    ['data outside the file', entry([2], [0, 8]), 'outside the data of 4 bytes'],
    ['offsets that run backwards', entry([1], [4, 0]), 'outside the data'],
    ['a shape of another size', entry([3], [0, 4]), 'needs 12 bytes but has 4'],
    ['a shape that overflows', entry([2 ** 40, 2 ** 40], [0, 4]), 'needs'],
    ['overlapping tensors', { ...entry([1], [0, 4]), ...entry([1], [0, 4], 'b') }, 'overlaps'],
  ])('refuses %s', async (name, header, message) => {
    const path = join(folder, `${name}.safetensors`)
    if (header === null) writeFileSync(path, Buffer.alloc(12, 0xff))
    else writeFile(`${name}.safetensors`, header, new Uint8Array(4))
    await expect(openSafetensors(path)).rejects.toMatchObject({
      code: 'invalid_model_file',
      message: expect.stringContaining(message),
    })
  })

  it('refuses other element types by name', async () => {
    const path = writeFile('i64.safetensors', entry([1], [0, 8], 'a', 'I64'), new Uint8Array(8))
    const file = await openSafetensors(path)
    await expect(file.read('a')).rejects.toMatchObject({
      code: 'unsupported_model',
      message: expect.stringContaining('I64; supported: F32, F16, BF16'),
    })
    await file.close()
  })

  it('survives 300 damaged files with a clear error or correct sizes', async () => {
    const header = { ...entry([4, 2], [0, 32]), ...entry([3], [32, 44], 'bias') }
    const good = Buffer.from(readBytes(writeFile('good.safetensors', header, new Uint8Array(44))))
    const mutation = fc.record({
      at: fc.nat(good.length - 1),
      bytes: fc.uint8Array({ minLength: 1, maxLength: 8 }),
      keep: fc.integer({ min: 0, max: good.length }),
      cut: fc.boolean(),
    })
    await fc.assert(
      fc.asyncProperty(mutation, async ({ at, bytes, keep, cut }) => {
        const damaged = Buffer.from(good)
        damaged.set(bytes.subarray(0, Math.min(bytes.length, good.length - at)), at)
        const path = join(folder, 'damaged.safetensors')
        writeFileSync(path, cut ? damaged.subarray(0, keep) : damaged)
        try {
          const file = await openSafetensors(path)
          try {
            for (const name of file.names) {
              const size = file.shape(name)?.reduce((product, dim) => product * dim, 1)
              expect((await file.read(name)).length).toBe(size)
            }
          } finally {
            await file.close()
          }
        } catch (error) {
          if (!isEspalierError(error)) throw error
          expect(error.message).toContain('damaged.safetensors')
        }
      }),
      { numRuns: 300, seed: 7 },
    )
  })
})

function entry(shape: number[], data_offsets: number[], name = 'a', dtype = 'F32') {
  return { [name]: { dtype, shape, data_offsets } }
}

function readBytes(path: string): Uint8Array {
  return readFileSync(path)
}
