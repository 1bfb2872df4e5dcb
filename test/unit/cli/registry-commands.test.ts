import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { openRegistry } from '../../../shared/registry/registry.ts'
import { openMemoryStore } from '../../../shared/registry/stores/memory/store.ts'
import { createFakeBoot } from '../../fakes/fake-boot.ts'
import { type CliRunOptions, runCommand } from './run.ts'

const intents = fileURLToPath(new URL('../../fixtures/intents.csv', import.meta.url))
const registry = openRegistry(openMemoryStore())
let folder: string
let boot: ReturnType<typeof createFakeBoot>

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'espalier-commands-'))
  boot = createFakeBoot({
    encoder: { dimension: 32 },
    registry,
    cacheFolder: join(folder, 'cache'),
  })
  const train = ['train', intents, '--name', 'intent', '-q', '--method']
  expect((await run([...train, 'knn', '--promote', '--test-fraction', '0'])).code).toBe(0)
  expect((await run([...train, 'ncm', '--seed', '1'])).code).toBe(0)
  expect((await run([...train, 'lda', '--seed', '2'])).code).toBe(0)
})
afterAll(() => rm(folder, { recursive: true, force: true }))

const run = (argv: readonly string[], options: Omit<CliRunOptions, 'boot'> = {}) =>
  runCommand(argv, { boot, ...options })

const champion = async () => (await registry.resolve('intent')).version

describe('predict', () => {
  it('writes one JSON line a text, in order', async () => {
    const { code, stdout, stderr } = await run(['predict', 'intent', '-', '--format', 'txt'], {
      stdin: 'hello there\ntrack my shipment please\n',
    })
    expect(code).toBe(0)
    expect(stderr).toMatch(/^intent@v1: 2 texts classified/)
    const lines = stdout
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line))
    expect(lines).toMatchObject([
      { index: 0, text: 'hello there', model: 'intent@v1', label: 'greeting' },
      { index: 1, text: 'track my shipment please', model: 'intent@v1', label: 'delivery' },
    ])
    for (const { labels, score, in_distribution: known } of lines) {
      expect(labels).toHaveLength(3)
      expect(labels[0].score).toBe(score)
      expect([true, false, null]).toContain(known)
    }
  })

  it('follows version, top-k and output, and leaves the text out', async () => {
    const output = join(folder, 'out.jsonl')
    const argv = ['predict', 'intent@v2', intents, '--top-k', '1', '--no-text', '-q', '-o', output]
    expect(await run(argv)).toEqual({ code: 0, stdout: '', stderr: '' })
    const lines = (await readFile(output, 'utf8')).trimEnd().split('\n')
    expect(lines).toHaveLength(60)
    const first = JSON.parse(lines[0] as string)
    expect(Object.keys(first)).toEqual([
      'index',
      'model',
      'label',
      'score',
      'labels',
      'in_distribution',
      'ood_score',
    ])
    expect(first.labels).toHaveLength(1)
    expect(first.model).toBe('intent@v2')
  })

  it.each([
    [['predict', 'nothing', intents], 1, /no model "nothing"/],
    [['predict', 'intent@v9', intents], 1, /intent has no v9; its latest version is v3/],
    [['predict', 'intent@fresh', intents], 1, /intent has no fresh/],
    [['predict', '../x', intents], 2, /a model name is/],
    [['predict', 'intent', intents, '--top-k', '-1'], 2, /--top-k/],
    [['predict', 'intent', intents, '--threshold', '2'], 2, /--threshold/],
    [['predict', 'intent', '/no/such.csv'], 1, /no such file/],
    [['predict', 'intent', intents, '-o', '/no/such/out'], 1, /its folder does not exist/],
  ])('%j is refused in one line', async (argv, code, message) => {
    const result = await run(argv)
    expect(result).toMatchObject({ code, stdout: '' })
    expect(result.stderr).toMatch(/^espalier: [^\n]*\n$/)
    expect(result.stderr).toMatch(message)
    expect(boot.openEncoders()).toBe(0)
  })

  it('refuses an encoder of another family, naming both', async () => {
    const other = createFakeBoot({
      encoder: { dimension: 32, family: 'b'.repeat(64), name: 'other' },
      registry,
    })
    for (const verb of ['predict', 'evaluate']) {
      const result = await runCommand([verb, 'intent', intents, '-q'], { boot: other })
      expect(result).toMatchObject({ code: 1, stdout: '' })
      expect(result.stderr).toContain('intent@v1 was trained on fake-encoder@v1')
      expect(result.stderr).toContain('a'.repeat(64))
      expect(result.stderr).toContain('b'.repeat(64))
      expect(other.openEncoders()).toBe(0)
    }
  })
})

describe('evaluate', () => {
  it('prints accuracy, labels and confusions', async () => {
    const { code, stdout } = await run(['evaluate', 'intent@v1', intents, '-q'])
    expect(code).toBe(0)
    // Neighbours of hashed texts know exactly what they have seen.
    expect(stdout).toMatch(
      /^intent@v1 on 60 rows: accuracy 100\.0 % \(95 % interval 94\.0 % to 100\.0 %\)/,
    )
    for (const label of ['account', 'delivery', 'greeting', 'refund']) {
      expect(stdout).toMatch(new RegExp(`^${label} +100\\.0 % +100\\.0 % +100\\.0 % +15$`, 'm'))
    }
  })

  it('prints JSON', async () => {
    const { stdout } = await run(['evaluate', 'intent', intents, '--json', '-q'])
    expect(JSON.parse(stdout)).toMatchObject({
      model: 'intent@v1',
      test: { rows: 60, accuracy: 1, worstConfusions: [] },
      multiLabel: false,
    })
  })

  it('names labels that the classifier does not have', async () => {
    const file = join(folder, 'foreign.csv')
    await writeFile(file, 'text,label\na,refund\nb,Refund\n')
    const { code, stderr } = await run(['evaluate', 'intent', file, '-q'])
    expect(code).toBe(1)
    expect(stderr).toContain('foreign.csv: "Refund": no such label in the training data')
  })
})

describe('promote and rollback', () => {
  it('move the champion and keep a history with time and reason', async () => {
    expect(await run(['promote', 'intent@v2', '--if-current', 'v3'])).toMatchObject({
      code: 1,
      stderr: 'espalier: intent@champion is v1, not v3; nothing was changed\n',
    })
    expect(await run(['promote', 'intent@v2', '--if-current', 'v1', '--reason', 'try it'])).toEqual(
      {
        code: 0,
        stdout: 'intent@champion: v1 → v2\n',
        stderr: '',
      },
    )
    expect(await champion()).toBe(2)
    const challenger = ['promote', 'intent@v3', '--alias', 'challenger', '--if-current', 'none']
    expect((await run([...challenger, '--json'])).stdout).toContain('"challenger": 3')
    expect((await run(['promote', 'intent@challenger'])).stdout).toBe('intent@champion: v2 → v3\n')
    expect((await run(['promote', 'intent@v3'])).stdout).toBe('intent@champion: v3 (unchanged)\n')
    expect((await run(['rollback', 'intent', '--reason', 'worse'])).stdout).toBe(
      'intent@champion: v3 → v2\n',
    )
    expect((await run(['rollback', 'intent'])).stdout).toBe('intent@champion: v2 → v1\n')
    expect(await run(['rollback', 'intent'])).toMatchObject({
      code: 1,
      stderr: 'espalier: intent@champion has no earlier version to roll back to\n',
    })
    const { stdout } = await run(['show', 'intent'])
    expect(stdout).toMatch(/promote intent@champion: v1 → v2 \(try it\)$/m)
    expect(stdout).toMatch(/rollback intent@champion: v3 → v2 \(worse\)$/m)
  })

  it.each([
    [['promote', 'intent'], 'say which version of intent to promote'],
    [['promote', 'intent@v2', '--if-current', 'x'], '--if-current'],
    [['promote', 'intent@v2', '--alias', 'v3'], 'alias "v3"'],
    [['rollback', 'intent@v2'], 'rollback takes a name without "@"'],
  ])('%j is wrong usage', async (argv, message) => {
    const result = await run(argv)
    expect(result).toMatchObject({ code: 2, stdout: '' })
    expect(result.stderr).toContain(message)
  })
})

describe('show', () => {
  it('shows data, metrics, lineage, sizes, aliases and history', async () => {
    const { stdout } = await run(['show', 'intent@v2'])
    for (const part of [
      /^intent@v2\n/,
      /^labels +4: account, delivery, greeting, refund$/m,
      /^method +ncm$/m,
      /^accuracy +[\d.]+ % \(95 % interval .*\), 12 test rows$/m,
      /^encoder +fake-encoder@v1$/m,
      /^data sha256 +[0-9a-f]{64}$/m,
      /^head\.bin +[\d.]+ KB, sha256 [0-9a-f]{16}…$/m,
      /^aliases +champion=v1 challenger=v3$/m,
      /^versions +v1 v2 v3$/m,
      /^history of intent, latest first$/m,
    ]) {
      expect(stdout).toMatch(part)
    }
    const { stdout: json } = await run(['show', 'intent@challenger', '--json'])
    expect(JSON.parse(json)).toMatchObject({ version: { version: 3 }, versions: [1, 2, 3] })
  })

  it('shows the newest version of what nobody promoted', async () => {
    const argv = ['train', intents, '--name', 'fresh', '--method', 'ncm', '-q']
    await run(argv)
    expect((await run(['show', 'fresh'])).stdout).toMatch(/^fresh@v1 \(not promoted yet\)\n/)
  })
})
