import { chmod, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { describeFailure } from '../../../functions/cli/output/report-error.ts'
import { openAtomicFile } from '../../../shared/dataset/atomic-file.ts'
import { writeArtifact } from '../../../shared/exporter/artifact/artifact-folder.ts'
import { openMemoryStore } from '../../../shared/registry/stores/memory/store.ts'
import { useScript } from './run-script.ts'

let folder: string

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'unwritable-'))
})
afterEach(async () => {
  await chmod(folder, 0o755)
  await rm(folder, { recursive: true })
})

describe.skipIf(process.platform === 'win32')('a folder that may not be written', () => {
  const { start } = useScript('unwritable')

  it('is named with the setting that it comes from', async () => {
    await chmod(folder, 0o555)
    const lines = await start(folder).end()
    const [cache, registry, encoders, own, output] = lines.map((line) => JSON.parse(line))
    const denied = 'permission denied (EACCES); let this process read and write there'
    expect(cache).toEqual({
      code: 'registry_unavailable',
      message: `cannot use the cache folder ${folder}/cache: ${denied}, or set ESPALIER_CACHE to another folder`,
    })
    expect(registry).toEqual({
      code: 'registry_unavailable',
      message: `cannot write models/a.json in file:${folder}/registry: ${denied}, or name another registry (ESPALIER_REGISTRY)`,
    })
    expect(encoders).toEqual({
      code: 'invalid_config',
      message: `${folder}/encoders/a cannot be written: ${denied}, or set ESPALIER_CACHE to another folder; nothing was left there`,
    })
    expect(own).toMatchObject({
      code: 'invalid_request',
      message: expect.stringContaining(`${denied}, or name another folder`),
    })
    expect(output).toEqual({
      code: 'invalid_data',
      message: `${folder}/out.jsonl: not writable: permission denied`,
    })
  })
})

describe.skipIf(process.platform !== 'linux')('a full disk', () => {
  it('is told of a file and of an artifact', async () => {
    const path = join(folder, 'out.jsonl')
    await symlink('/dev/full', path)
    const file = await openAtomicFile(path)
    await expect(file.write(Buffer.from('row'))).rejects.toMatchObject({
      code: 'invalid_data',
      message: `${path}: the disk is full`,
    })
    await file.discard()
    const target = join(folder, 'encoder')
    const fill = () => writeFile('/dev/full', 'graph')
    await expect(writeArtifact(target, 'keep', fill)).rejects.toMatchObject({
      code: 'invalid_config',
      message: `${target} cannot be written: the disk is full (ENOSPC); free some space, or set ESPALIER_CACHE to another folder; nothing was left there`,
    })
  })

  it('is the fault of the file that a store writes to, not of the store', async () => {
    const store = openMemoryStore()
    await store.put('a', Buffer.from('weights'))
    const path = join(folder, 'missing', 'a')
    await expect(store.download('a', path, { maxBytes: 10 })).rejects.toMatchObject({
      name: 'LocalFileFault',
      code: 'ENOENT',
      path,
    })
  })
})

describe('the command line', () => {
  it('does not call what the file system refuses an unexpected failure', () => {
    const error = Object.assign(new Error('EROFS: read-only file system, mkdir'), {
      code: 'EROFS',
      path: '/data/x',
    })
    expect(describeFailure(error)).toEqual({
      message: '/data/x: the file system is read-only (EROFS); mount it for writing',
      exitCode: 1,
    })
    const full = Object.assign(new Error('EMFILE: too many open files'), { code: 'EMFILE' })
    expect(describeFailure(full).message).toMatch(/^too many files are open \(EMFILE\)/)
    expect(describeFailure(new Error('odd')).message).toBe('unexpected failure: odd')
  })
})
