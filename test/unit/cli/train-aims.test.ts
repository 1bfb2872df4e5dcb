import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { openRegistry } from '../../../shared/registry/registry.ts'
import { openMemoryStore } from '../../../shared/registry/stores/memory/store.ts'
import { createFakeBoot } from '../../fakes/fake-boot.ts'
import { runCommand } from './run.ts'

let folder: string
let data: string
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'espalier-aims-'))
  data = join(folder, 'uneven.csv')
  const rows = Array.from({ length: 120 }, (_, i) =>
    i % 12 === 0 ? `refund money case ${i},refund` : `parcel delivery question ${i},delivery`,
  )
  await writeFile(data, `text,label\n${rows.join('\n')}\n`)
})
afterAll(() => rm(folder, { recursive: true, force: true }))

function createTrain() {
  const registry = openRegistry(openMemoryStore())
  const cacheFolder = join(folder, 'cache')
  const boot = createFakeBoot({ encoder: { dimension: 16 }, cacheFolder, registry })
  return {
    registry,
    train: (...argv: string[]) =>
      runCommand(['train', data, '--name', 'n', '-q', '--test-fraction', '0', ...argv], { boot }),
  }
}

describe('what training aims at', () => {
  it('stands in the lineage, and the report names the criterion', async () => {
    const { registry, train } = createTrain()
    const run = await train('--optimise', 'macro-f1', '--class-weight', 'auto', '--json')
    expect(run).toMatchObject({ code: 0 })
    const version = await registry.getVersion('n', 1)
    expect(version.lineage).toMatchObject({ optimise: 'macro-f1', classWeight: 'auto' })
    expect(version.metadata.why).toMatch(/^by held-out macro-F1, /)
  })

  it.each([
    [['--balance'], true],
    [['--balance', 'full'], true],
    [['--balance', 'none'], false],
    [['--balance', 'auto'], 'auto'],
    [['--balance', '0.4'], 0.4],
    [[], false],
  ] as const)('keeps %j in the lineage', async (options, balance) => {
    const { registry, train } = createTrain()
    expect(await train('--method', 'ncm', ...options)).toMatchObject({ code: 0 })
    expect((await registry.getVersion('n', 1)).lineage).toMatchObject({ balance })
  })

  it.each([
    [['--balance', '1.5'], 'It must be none, full, auto or a number from 0 to 1.'],
    [['--optimise', 'f1'], 'It must be one of log-loss, accuracy, macro-f1.'],
    [['--class-weight', 'even'], 'It must be one of none, balanced, auto.'],
  ] as const)('refuses %j', async (options, message) => {
    const run = await createTrain().train(...options)
    expect(run.code).toBe(2)
    expect(run.stderr).toContain(message)
  })

  it('takes the same key for the same aims alone', async () => {
    const { train } = createTrain()
    const keyed = (...argv: string[]) =>
      train('--method', 'softmax', '--idempotency-key', 'k', ...argv)
    expect(await keyed()).toMatchObject({ code: 0 })
    expect(await keyed('--balance', 'none')).toMatchObject({ code: 0 })
    expect((await keyed('--optimise', 'accuracy')).code).not.toBe(0)
  })
})
