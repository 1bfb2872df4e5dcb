import { mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { PassThrough, Readable, Writable } from 'node:stream'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { encodeNpyHeader, parseNpyHeader } from '../../../shared/dataset/arrays/npy.ts'
import { openNpyWriter, readNpy } from '../../../shared/dataset/arrays/npy-file.ts'
import { createJsonVectorWriter } from '../../../shared/dataset/arrays/vector-writer.ts'
import { openAtomicFile } from '../../../shared/dataset/atomic-file.ts'
import { streamSink } from '../../../shared/dataset/byte-sink.ts'
import { readLabelled } from '../../../shared/dataset/labelled.ts'
import { readRows } from '../../../shared/dataset/rows.ts'
import { formatFromName, openFileSource, streamSource } from '../../../shared/dataset/source.ts'
import { isEspalierError } from '../../../shared/lib/errors.ts'
import { collect, dataFault } from './helpers.ts'

let folder: string
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'espalier-dataset-'))
})
afterAll(() => rm(folder, { recursive: true, force: true }))

const path = (name: string): string => join(folder, name)

describe('sources', () => {
  it('knows a format by its extension', () => {
    expect(formatFromName('a/B.CSV')).toBe('csv')
    expect(formatFromName('x.ndjson')).toBe('jsonl')
    expect(() => formatFromName('data.json')).toThrow('data.json: a JSON document is not read')
    expect(() => formatFromName('data.xls')).toThrow(
      'data.xls: an old Excel workbook is not read; save it as .xlsx',
    )
  })

  it('reads files and streams alike', async () => {
    await writeFile(path('a.csv'), 'text\nhello\n')
    const file = await openFileSource(path('a.csv'))
    const stream = streamSource('stdin', Readable.from(['te', 'xt\nhello\n']), 'csv')
    expect(file.repeatable).toBe(true)
    expect(await collect(readRows(stream))).toEqual(await collect(readRows(file)))
  })

  it('names what cannot be read', async () => {
    expect(await dataFault(openFileSource(path('none.csv')))).toMatch(/none\.csv: no such file$/)
    const empty = readLabelled(await openFileSource(folder))
    expect(await dataFault(empty)).toMatch(/no JPEG, PNG or WebP file in this folder/)
  })

  it('ends when it is aborted, even while a stream is silent', async () => {
    const abort = new AbortController()
    const source = streamSource('stdin', new PassThrough(), 'txt')
    const reading = collect(readRows(source, { signal: abort.signal }))
    abort.abort()
    await expect(reading).rejects.toMatchObject({ name: 'AbortError' })
  })
})

describe('atomic files', () => {
  it('show nothing before commit and nothing after discard', async () => {
    await writeFile(path('out.txt'), 'old')
    const dropped = await openAtomicFile(path('out.txt'))
    await dropped.write(Buffer.from('new'))
    await dropped.discard()
    expect(await readFile(path('out.txt'), 'utf8')).toBe('old')
    const kept = await openAtomicFile(path('out.txt'))
    await kept.write(Buffer.from('one '))
    await kept.write(Buffer.from('two'))
    await kept.patch(Buffer.from('ONE'), 0)
    expect(await readFile(path('out.txt'), 'utf8')).toBe('old')
    await kept.commit()
    await kept.discard()
    expect(await readFile(path('out.txt'), 'utf8')).toBe('ONE two')
    expect((await readdir(folder)).filter((name) => name.includes('tmp'))).toEqual([])
  })

  it('write through links and into what is no file', async () => {
    await writeFile(path('real.txt'), 'old')
    await symlink(path('real.txt'), path('link.txt'))
    const linked = await openAtomicFile(path('link.txt'))
    await linked.write(Buffer.from('new'))
    await linked.commit()
    expect(await readFile(path('real.txt'), 'utf8')).toBe('new')
    const device = await openAtomicFile('/dev/null')
    await device.write(Buffer.from('gone'))
    await device.commit()
  })

  it('say why they cannot be opened', async () => {
    expect(await dataFault(openAtomicFile(path('no/out.txt')))).toMatch(
      /its folder does not exist$/,
    )
    expect(await dataFault(openAtomicFile(folder))).toMatch(/this is a folder; name a file$/)
  })
})

describe('.npy', () => {
  it('has the header that NumPy writes', () => {
    // np.save of np.zeros((3, 2), '<f4'): magic, version 1.0, then this dictionary padded with spaces.
    const header = encodeNpyHeader(3, 2)
    expect(header.subarray(0, 10).toString('hex')).toBe('934e554d505901007600')
    expect(header.subarray(10).toString('latin1').trimEnd()).toBe(
      "{'descr': '<f4', 'fortran_order': False, 'shape': (3, 2), }",
    )
    expect(header.at(-1)).toBe(10)
    expect(encodeNpyHeader(Number.MAX_SAFE_INTEGER, 8192)).toHaveLength(128)
  })

  it('restores every array bit for bit', async () => {
    const row = fc.float32Array({ minLength: 3, maxLength: 3 })
    await fc.assert(
      fc.asyncProperty(fc.array(row, { maxLength: 20 }), async (rows) => {
        const writer = await openNpyWriter(path('r.npy'))
        for (const vector of rows) await writer.write([{ vector, fields: {} }])
        await writer.commit()
        const array = await readNpy(path('r.npy'))
        expect([array.rows, array.dimension]).toEqual([rows.length, rows.length && 3])
        const expected = Float32Array.from(rows.flatMap((vector) => [...vector]))
        expect(new Uint32Array(array.data.buffer)).toEqual(new Uint32Array(expected.buffer))
      }),
      { numRuns: 50 },
    )
  })

  it('takes rows that lie in one block, and rows that do not, in their order', async () => {
    const block = Float32Array.from({ length: 12 }, (_, i) => i + 0.5)
    const row = (at: number) => ({ vector: block.subarray(3 * at, 3 * at + 3), fields: {} })
    const writer = await openNpyWriter(path('block.npy'))
    await writer.write([row(1), row(2), row(3)])
    await writer.write([row(0), row(2)])
    await writer.write([])
    await writer.commit()
    const order = [1, 2, 3, 0, 2].flatMap((at) => [...row(at).vector])
    expect([...(await readNpy(path('block.npy'))).data]).toEqual(order)
  })

  it.each([
    ['not .npy', 'PK..', 'not a .npy file'],
    [
      'another type',
      encodeNpyHeader(1, 1).toString('latin1').replace('<f4', '<f8'),
      'type <f8; float32',
    ],
    [
      'Fortran order',
      encodeNpyHeader(1, 1).toString('latin1').replace('False', 'True '),
      'Fortran order',
    ],
    [
      'one axis',
      encodeNpyHeader(1, 1).toString('latin1').replace('(1, 1)', '(1,)  '),
      'the shape [rows, dimension]',
    ],
    [
      'a short file',
      encodeNpyHeader(5, 5).toString('latin1'),
      '128 bytes where its header promises 228',
    ],
    ['a huge promise', encodeNpyHeader(1e12, 1e6).toString('latin1'), 'larger than'],
    ['a cut header', encodeNpyHeader(5, 5).toString('latin1').slice(0, 60), 'header is cut off'],
  ])('refuses %s', async (_, content, message) => {
    await writeFile(path('bad.npy'), content, 'latin1')
    expect(await dataFault(readNpy(path('bad.npy')))).toContain(message)
  })

  it('survives mutations of its header', () => {
    fc.assert(
      fc.property(fc.nat(127), fc.nat(255), (at, byte) => {
        const bytes = encodeNpyHeader(7, 384)
        bytes[at] = byte
        try {
          const header = parseNpyHeader('x.npy', bytes)
          expect(Number.isSafeInteger(header.rows * header.dimension)).toBe(true)
        } catch (error) {
          expect(isEspalierError(error, 'invalid_data')).toBe(true)
        }
      }),
      { numRuns: 500 },
    )
  })
})

describe('JSON lines of vectors', () => {
  it('restore every float32 and keep the fields', async () => {
    const vector = fc.float32Array({ noNaN: true, noDefaultInfinity: true, maxLength: 5 })
    const rows = fc.array(fc.record({ vector, fields: fc.dictionary(fc.string(), fc.string()) }))
    await fc.assert(
      fc.asyncProperty(rows, async (input) => {
        const chunks: Buffer[] = []
        const sink = new Writable({
          write(chunk, _encoding, done) {
            chunks.push(chunk)
            done()
          },
        })
        await createJsonVectorWriter(streamSink(sink)).write(input)
        const lines = Buffer.concat(chunks).toString().split('\n').slice(0, -1)
        expect(lines).toHaveLength(input.length)
        for (const [i, line] of lines.entries()) {
          const { embedding, ...fields } = JSON.parse(line)
          const { embedding: _, ...expected } = JSON.parse(JSON.stringify(input[i]!.fields))
          expect(fields).toEqual(expected)
          expect(Float32Array.from(embedding)).toEqual(input[i]!.vector)
        }
      }),
    )
  })

  it('are whole where many are written at once', async () => {
    const rows = Array.from({ length: 900 }, (_, id) => ({
      vector: new Float32Array(200).fill(id + 0.25),
      fields: { id },
    }))
    const file = await openAtomicFile(path('many.jsonl'))
    const writer = createJsonVectorWriter(file)
    await writer.write(rows)
    await writer.write([])
    await writer.write(rows.slice(0, 1))
    await writer.commit()
    const lines = (await readFile(path('many.jsonl'), 'utf8')).split('\n')
    expect(lines.pop()).toBe('')
    const expected = [...rows, rows[0]!].map(({ vector, fields }) =>
      JSON.stringify({ ...fields, embedding: [...vector] }),
    )
    expect(lines).toEqual(expected)
  })

  it('passes the failure of a stream on', async () => {
    const sink = new Writable({ write: (_chunk, _encoding, done) => done(new Error('EPIPE')) })
    sink.on('error', () => {})
    await expect(streamSink(sink).write(Buffer.from('x'))).rejects.toThrow('EPIPE')
  })
})
