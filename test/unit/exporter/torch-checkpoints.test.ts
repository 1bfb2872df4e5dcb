import {
  cpSync,
  existsSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import fc from 'fast-check'
import { afterAll, beforeEach, describe, expect, it } from 'vitest'
import { openSafetensors } from '../../../shared/exporter/checkpoint/safetensors.ts'
import { openTorchCheckpoint } from '../../../shared/exporter/checkpoint/torch-checkpoint.ts'
import { exportEncoder } from '../../../shared/exporter/export-encoder.ts'
import { writeSafetensors } from '../../../shared/exporter/source/safetensors-writer.ts'
import { isEspalierError } from '../../../shared/lib/errors.ts'

/** Made by PyTorch; see test/golden/make-torch.py. */
const golden = fileURLToPath(new URL('../../golden/torch/', import.meta.url))
const checkpoint = fileURLToPath(new URL('../../golden/checkpoints/bert-mean/', import.meta.url))
const work = mkdtempSync(join(tmpdir(), 'espalier-torch-'))
const folder = join(work, 'model')
afterAll(() => rmSync(work, { recursive: true, force: true }))
beforeEach(() => {
  rmSync(folder, { recursive: true, force: true })
  cpSync(checkpoint, folder, { recursive: true })
})

interface Expected {
  readonly tensors: Record<string, { type: string; shape: number[]; values: number[] }>
}
const odd = (JSON.parse(readFileSync(join(golden, 'odd.json'), 'utf8')) as Expected).tensors

describe.each(['odd-zip.bin', 'odd-legacy.bin'])('%s', (name) => {
  it('gives every tensor as PyTorch has it, views of storages included', async () => {
    const file = await openTorchCheckpoint(join(golden, name))
    try {
      expect([...file.names].sort()).toEqual(Object.keys(odd).sort())
      for (const [tensor, { type, shape, values }] of Object.entries(odd)) {
        expect(file.shape(tensor), tensor).toEqual(shape)
        if (!['F32', 'F16', 'BF16'].includes(type)) continue
        expect([...(await file.read(tensor))], tensor).toEqual(values.map(Math.fround))
      }
      expect(file.describe('count')).toEqual({ type: 'I64', shape: [], bytes: 8 })
      expect([...(await file.readBytes('count'))]).toEqual([7, 0, 0, 0, 0, 0, 0, 0])
      expect(file.shape('nothing')).toBeNull()
      await expect(file.read('nothing')).rejects.toThrow(/has no tensor nothing/)
      await expect(file.read('double')).rejects.toMatchObject({
        code: 'unsupported_model',
        message: `${name}: tensor double is F64; supported: F32, F16, BF16`,
      })
    } finally {
      await file.close()
    }
  })
})

describe('files that hold more than tensors', () => {
  it.each([
    ['evil-zip.bin', /its pickle names posix\.system, which only a program can make/],
    ['evil-legacy.bin', /its pickle names posix\.system, which only a program can make/],
    ['module.bin', /its pickle names torch\.nn\.modules\.linear\.Linear, which only a program/],
    ['numbers.bin', /holds no tensors by name/],
  ])('%s is refused, and nothing of it is run', async (name, message) => {
    const opened = openTorchCheckpoint(join(golden, name))
    await expect(opened).rejects.toMatchObject({
      code: 'invalid_model_file',
      message: expect.stringMatching(message),
    })
    expect(existsSync('/tmp/espalier-pickle-was-run')).toBe(false)
  })

  it.each([
    ['nothing', ''],
    ['text', 'version https://git-lfs.github.com/spec/v1'],
    ['an empty archive', Buffer.concat([Buffer.from('PK\x05\x06'), Buffer.alloc(18)])],
    ['an archive that ends', Buffer.from('PK\x03\x04')],
    ['a pickle that ends', Buffer.from([0x80, 2, 0x28])],
  ])('%s is no checkpoint', async (_name, content) => {
    const path = join(work, 'bad.bin')
    writeFileSync(path, content)
    await expect(openTorchCheckpoint(path)).rejects.toMatchObject({ code: 'invalid_model_file' })
  })
})

describe.each(['odd-zip.bin', 'odd-legacy.bin'])('damaged %s', (name) => {
  it('is refused or read within its own bytes, 400 times', async () => {
    const original = readFileSync(join(golden, name))
    const path = join(work, `damaged-${name}`)
    const change = fc.record({ at: fc.nat(original.length - 1), byte: fc.nat(255) })
    await fc.assert(
      fc.asyncProperty(
        fc.array(change, { minLength: 1, maxLength: 8 }),
        fc.nat(4 * original.length),
        async (changes, cut) => {
          const bytes = Buffer.from(original.subarray(0, Math.min(cut, original.length)))
          for (const { at, byte } of changes) if (at < bytes.length) bytes[at] = byte
          writeFileSync(path, bytes)
          try {
            const file = await openTorchCheckpoint(path)
            for (const tensor of file.names) {
              expect(file.describe(tensor).bytes).toBeLessThanOrEqual(bytes.length)
              await file.readBytes(tensor).catch(refuse)
            }
            await file.close()
          } catch (error) {
            refuse(error)
          }
        },
      ),
      { numRuns: 400, seed: 3 },
    )
  })
})

function refuse(error: unknown): void {
  if (!isEspalierError(error)) throw error
  expect(error.message.split('\n')).toHaveLength(1)
}

const exported = (from = folder) => {
  rmSync(join(work, 'out'), { recursive: true, force: true })
  return exportEncoder({ folder: from, output: join(work, 'out'), precisions: ['float32'] })
}

/** Splits the weights of the folder over two files with an index, as transformers does. */
async function shard(): Promise<string[]> {
  const file = await openSafetensors(join(folder, 'model.safetensors'))
  const names = [...file.names]
  const files = [1, 2].map((at) => `model-0000${at}-of-00002.safetensors`)
  const parts = [names.slice(0, 9), names.slice(9)]
  for (const [at, part] of parts.entries()) {
    const tensors = part.map((name) => ({
      name,
      ...file.describe(name),
      read: () => file.readBytes(name),
    }))
    await writeSafetensors(join(folder, files[at] as string), tensors)
  }
  await file.close()
  const map = names.map((name, at) => [name, files[at < 9 ? 0 : 1]])
  const index = { metadata: {}, weight_map: Object.fromEntries(map) }
  writeFileSync(join(folder, 'model.safetensors.index.json'), JSON.stringify(index))
  rmSync(join(folder, 'model.safetensors'))
  return files
}

function editIndex(edit: (map: Record<string, string>) => void): void {
  const path = join(folder, 'model.safetensors.index.json')
  const index = JSON.parse(readFileSync(path, 'utf8'))
  edit(index.weight_map)
  writeFileSync(path, JSON.stringify(index))
}

describe('a folder of an encoder', () => {
  it.each(['weights-zip.bin', 'weights-legacy.bin'])(
    'with %s is the same encoder as with safetensors',
    async (name) => {
      const { family, graphs } = await exported()
      rmSync(join(folder, 'model.safetensors'))
      cpSync(join(golden, name), join(folder, 'pytorch_model.bin'))
      expect(await exported()).toMatchObject({ family, graphs })
    },
  )

  it('in shards is the same encoder, of safetensors and of PyTorch', async () => {
    const { family, graphs } = await exported()
    await shard()
    expect(await exported()).toMatchObject({ family, graphs })
    const index = JSON.parse(readFileSync(join(folder, 'model.safetensors.index.json'), 'utf8'))
    const names = Object.keys(index.weight_map)
    rmSync(join(folder, 'model.safetensors.index.json'))
    cpSync(join(golden, 'weights-zip.bin'), join(folder, 'pytorch_model-00001-of-00001.bin'))
    const map = names.map((tensor) => [tensor, 'pytorch_model-00001-of-00001.bin'])
    const torch = JSON.stringify({ weight_map: Object.fromEntries(map) })
    writeFileSync(join(folder, 'pytorch_model.bin.index.json'), torch)
    expect(await exported()).toMatchObject({ family, graphs })
  })

  it('whose shards or tensors are missing names them', async () => {
    const [first = '', second = ''] = await shard()
    rmSync(join(folder, second))
    await expect(exported()).rejects.toThrow(
      `model.safetensors.index.json: ${second} of its 2 shards is missing`,
    )
    cpSync(join(folder, first), join(folder, second))
    await expect(exported()).rejects.toThrow(/model-00002-of-00002\.safetensors has no tensor/)
  })

  it.each(['../model.safetensors', '/etc/passwd', '', 'a/b.safetensors'])(
    'whose index names %j is refused',
    async (name) => {
      await shard()
      editIndex((map) => {
        map[Object.keys(map)[0] as string] = name
      })
      await expect(exported()).rejects.toMatchObject({ code: 'invalid_model_file' })
    },
  )

  it('survives 300 damaged indexes', async () => {
    await shard()
    const path = join(folder, 'model.safetensors.index.json')
    const original = readFileSync(path, 'utf8')
    const mutation = fc.record({
      at: fc.nat(original.length),
      text: fc.constantFrom('', '{', '}', '"', 'null', '1e99', '[]', '\u0000', 'x', '../', ','),
      cut: fc.nat(60),
    })
    await fc.assert(
      fc.asyncProperty(mutation, async ({ at, text, cut }) => {
        writeFileSync(path, original.slice(0, at) + text + original.slice(at + cut))
        await exported().catch(refuse)
      }),
      { numRuns: 300, seed: 7 },
    )
    expect(statSync(path).isFile()).toBe(true)
  })
})
