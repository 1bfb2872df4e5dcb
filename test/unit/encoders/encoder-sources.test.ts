import { mkdtemp, readdir, readFile, rm, truncate, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { createEncoderSources } from '../../../shared/encoders/encoder-sources.ts'
import { openNamedEncoder } from '../../../shared/encoders/resolve-encoder.ts'
import type { TextEncoderManifest } from '../../../shared/lib/manifests/encoder-manifest.ts'
import { blobKey } from '../../../shared/registry/records/names.ts'
import { openRegistry } from '../../../shared/registry/registry.ts'
import { openDirectoryStore } from '../../../shared/registry/stores/directory/store.ts'
import type { Registry, RegistryVersion } from '../../../shared/registry/types.ts'
import { createMemoryLogger } from '../../fakes/api-deps.ts'
import { publishTinyEncoder } from '../../fakes/publish-tiny-encoder.ts'
import { tinyEmbedding } from '../../fakes/tiny-encoder.ts'
import { bundleWorker } from '../../worker-bundle.ts'

const PLAIN = { truncate: true, truncationDirection: 'right', normalize: true } as const
let workerUrl: URL
let folder: string
let registry: Registry
let log: ReturnType<typeof createMemoryLogger>

beforeAll(async () => {
  workerUrl = await bundleWorker()
})
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'espalier-sources-'))
  registry = openRegistry(openDirectoryStore(join(folder, 'registry')))
  log = createMemoryLogger()
  return () => rm(folder, { recursive: true })
})
afterAll(() => rm(workerUrl, { force: true }))

function createSources(precision: 'float32' | 'int8' = 'float32') {
  return createEncoderSources({
    builtinFolder: join(folder, 'registry'),
    calibrationTexts: '',
    cacheFolder: join(folder, 'cache'),
    threads: 1,
    openRegistry: async () => registry,
    precision,
    workerUrl,
    workers: 1,
    device: 'cpu',
    limits: { maxQueueTokens: 1e6, maxQueueWaitMs: 1e4, maxTextBytes: 1e4 },
    log,
  })
}

async function vectorOf(version: RegistryVersion): Promise<number[]> {
  const { encoder, bytes } = await createSources().ofVersion(version).open()
  try {
    expect(bytes).toBeGreaterThan(0)
    expect(encoder.info).toMatchObject({ name: 'words', version: version.version })
    return [...(await encoder.encode(['cat sat'], PLAIN)).vectors]
  } finally {
    await encoder.close()
  }
}

/** What `tinyEmbedding` works out apart from the graph, for the ids of "cat sat". */
function expectRightVector(vector: readonly number[]): void {
  for (const [i, value] of tinyEmbedding([2, 6, 7, 3]).entries()) {
    expect(vector[i]).toBeCloseTo(value, 6)
  }
}

describe('an encoder of the registry', () => {
  it('is downloaded, verified, proved on its golden vectors and served under its name there', async () => {
    const version = await publishTinyEncoder(registry, 'words')
    expectRightVector(await vectorOf(version))
    const named = await openNamedEncoder({ registry, sources: createSources() }, 'words@champion')
    expect(named.info).toMatchObject({ name: 'words', version: 1 })
    await named.close()
  })

  it('heals what was damaged in the cache', async () => {
    const version = await publishTinyEncoder(registry, 'words')
    await vectorOf(version)
    const blobs = join(folder, 'cache/registry/sha256')
    const graph = version.files.find(({ path }) => path === 'float32.onnx')!
    const bytes = await readFile(join(blobs, graph.sha256))
    bytes.set([1, 2, 3], 20)
    await writeFile(join(blobs, graph.sha256), bytes)
    expectRightVector(await vectorOf(version))
    expect(log.lines.map(({ message }) => message)).toContainEqual(
      expect.stringContaining('fetched anew'),
    )
    for (const name of await readdir(blobs)) await truncate(join(blobs, name), 3)
    expectRightVector(await vectorOf(version))
  })

  it('is refused where the registry itself is damaged, naming file and hashes', async () => {
    const version = await publishTinyEncoder(registry, 'words')
    const data = version.files.find(({ path }) => path === 'float32.data')!
    const blob = join(folder, 'registry', blobKey(data.sha256))
    const bytes = await readFile(blob)
    bytes[0] = (bytes[0] as number) ^ 1
    await writeFile(blob, bytes)
    await expect(vectorOf(version)).rejects.toMatchObject({
      code: 'artifact_corrupt',
      message: expect.stringMatching(/float32\.data of words@v1 .*expected sha256 \w{64}, found/),
    })
  })

  const bad: [string, Partial<TextEncoderManifest>, object, RegExp][] = [
    [
      'whose family is not that of its manifest',
      {},
      { family: 'b'.repeat(64) },
      /words@v1: its encoder\.json is of family f{64}, its manifest of family b{64}/,
    ],
    [
      'that does not make its golden vectors',
      { golden: [{ text: 'cat sat', vectors: { float32: tinyEmbedding([2, 9, 3]) } }] },
      {},
      /this machine gives other vectors/,
    ],
    ['of a newer schema', { schema: 3 as 1 }, {}, /schema 3; this release reads schema 2/],
    ['without the precision in use', { graphs: {} }, {}, /words has no float32 graph/],
  ]
  it.each(bad)('%s is refused', async (_what, changes, options, message) => {
    const version = await publishTinyEncoder(registry, 'words', { changes, ...options })
    await expect(vectorOf(version)).rejects.toThrow(message)
  })

  it('gives up when told to', async () => {
    const version = await publishTinyEncoder(registry, 'words')
    const stopped = AbortSignal.abort(new Error('told to stop'))
    await expect(createSources().ofVersion(version).open(stopped)).rejects.toThrow('told to stop')
  })
})
