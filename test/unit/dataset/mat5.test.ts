import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { parseMat } from '../../../shared/dataset/arrays/mat5.ts'
import { isEspalierError } from '../../../shared/lib/errors.ts'
import { readGolden } from '../training/adapt-golden.ts'

const files = new Map(
  readGolden().mat.map((mat) => [mat.name, { ...mat, bytes: Buffer.from(mat.base64, 'base64') }]),
)
const bytesOf = (name: string) => files.get(name)!.bytes

describe('MAT files', () => {
  test.each(['packed', 'plain', 'counts'])('reads what scipy wrote: %s', (name) => {
    const { bytes, fts } = files.get(name)!
    const { arrays } = parseMat('a.mat', bytes, ['fts', 'labels'])
    const { data, ...shape } = arrays.get('fts')!
    expect(shape).toEqual({ rows: fts!.rows, columns: fts!.columns })
    expect(Array.from(data)).toEqual(
      name === 'plain' ? Array.from(new Float32Array(fts!.data)) : fts!.data,
    )
    expect(Array.from(arrays.get('labels')!.data)).toEqual([1, 2])
  })

  test('passes over other variables and names them', () => {
    expect(parseMat('a.mat', bytesOf('plain'), ['fts']).names).toEqual(['fts', 'labels', 'note'])
    expect([...parseMat('a.mat', bytesOf('counts'), []).arrays]).toEqual([])
  })

  test('says what it does not read', () => {
    const read = (name: string, wanted: string[], limit?: number) => () =>
      parseMat('a.mat', bytesOf(name), wanted, limit)
    expect(read('plain', ['note'])).toThrow('a.mat: variable "note" is no array of numbers')
    expect(read('sparse', ['fts'])).toThrow('variable "fts" is sparse; save full(…) of it')
    expect(read('sparse', ['labels'])).toThrow('variable "labels" has complex numbers')
    expect(read('counts', ['x'], 1 << 16)).toThrow('variable "x" is larger than 64 KiB')
    expect(() => parseMat('a.mat', Buffer.from('no MAT file'), [])).toThrow('not a MAT file')
    const hdf = Buffer.alloc(256, ' ')
    hdf.write('MATLAB 7.3')
    hdf.set([0, 2, 0x49, 0x4d], 124)
    expect(() => parseMat('a.mat', hdf, [])).toThrow('MAT 7.3 is not read; save it with -v7')
  })

  test('answers any damage with a clear error or with numbers', () => {
    const wanted = ['fts', 'labels', 'x']
    const edit = fc.record({ at: fc.nat(), value: fc.nat(255), cut: fc.nat() })
    fc.assert(
      fc.property(
        fc.constantFrom(...files.keys()),
        fc.array(edit, { maxLength: 4 }),
        (name, edits) => {
          let bytes = Buffer.from(bytesOf(name))
          for (const { at, value, cut } of edits) {
            bytes[at % bytes.length] = value
            if (cut % 3 === 0) bytes = bytes.subarray(0, 1 + (cut % bytes.length))
          }
          try {
            for (const { rows, columns, data } of parseMat(
              'a',
              bytes,
              wanted,
              1 << 20,
            ).arrays.values()) {
              expect(data.length).toBe(rows * columns)
            }
          } catch (error) {
            expect(isEspalierError(error, 'invalid_data')).toBe(true)
          }
        },
      ),
      { numRuns: 500 },
    )
  })
})
