import { PassThrough } from 'node:stream'
import { beforeEach, describe, expect, it } from 'vitest'
import type { Registry } from '../../../shared/registry/types.ts'
import { createFakeBoot } from '../../fakes/fake-boot.ts'
import { createTestHead, createTestRegistry, publishHead } from '../../fakes/heads.ts'
import { runCommand } from './run.ts'

let registry: Registry
beforeEach(async () => {
  registry = createTestRegistry()
  for (const prefix of ['a', 'b', 'c']) {
    await publishHead(registry, 'intent', createTestHead(prefix), { alias: null })
  }
  await registry.promote('intent', 1)
})
const run = (...argv: string[]) => runCommand(argv, { boot: createFakeBoot({ registry }) })
const state = async () => {
  const reading = await registry.readState('intent')
  if (reading.status !== 'found') throw new Error(reading.status)
  return reading.state
}

describe('traffic', () => {
  it('splits, shows and ends a split, before → after', async () => {
    expect((await run('traffic', 'intent')).stdout).toBe('traffic of intent: none\n')
    const split = ['traffic', 'intent', 'v1=90', 'v2=10', '--by', 'ann', '--reason', 'canary']
    expect(await run(...split)).toEqual({
      code: 0,
      stdout: 'traffic of intent: none → v1=90 v2=10\n',
      stderr: '',
    })
    expect((await run(...split)).stdout).toBe('traffic of intent: v1=90 v2=10 (unchanged)\n')
    expect((await run('traffic', 'intent')).stdout).toBe('traffic of intent: v1=90 v2=10\n')
    expect((await run('traffic', 'intent', '1=50', '2=50%')).stdout).toBe(
      'traffic of intent: v1=90 v2=10 → v1=50 v2=50\n',
    )
    expect((await run('traffic', 'intent', '--clear')).stdout).toBe(
      'traffic of intent: v1=50 v2=50 → none\n',
    )
    const { stdout } = await run('show', 'intent')
    expect(stdout).toMatch(/traffic of intent: none → v1=90 v2=10 by ann \(canary\)$/m)
  })

  it('says that a promotion ends it', async () => {
    await run('traffic', 'intent', 'v1=90', 'v2=10')
    expect((await run('show', 'intent')).stdout).toMatch(/^traffic +v1=90 v2=10$/m)
    expect((await run('promote', 'intent@v2')).stdout).toBe(
      'intent@champion: v1 → v2\ntraffic of intent: v1=90 v2=10 → none\n',
    )
  })

  it('prints the state as JSON', async () => {
    const { stdout } = await run('traffic', 'intent', 'v1=90', 'v2=10', '--json')
    expect(JSON.parse(stdout)).toEqual(await state())
    expect(JSON.parse((await run('traffic', 'intent', '--json')).stdout)).toEqual(await state())
  })

  it.each([
    [['intent', 'v1=90'], 1, 'the shares add up to 90 %, not 100'],
    [['intent', 'v1=90', 'v9=10'], 1, 'intent has no v9'],
    [['intent', 'v1=100', '--clear'], 2, 'leave the shares out'],
    [['intent', 'v1'], 2, 'a version with its percent'],
    [['intent@v1', 'v1=100'], 2, 'traffic takes a name without "@"'],
    [['nothing'], 1, 'no model "nothing"'],
  ])('%j is refused', async (argv, code, message) => {
    expect(await run('traffic', ...argv)).toMatchObject({
      code,
      stdout: '',
      stderr: expect.stringContaining(message),
    })
  })
})

describe('shadow', () => {
  it('sets, shows and ends it, before → after', async () => {
    expect((await run('shadow', 'intent')).stdout).toBe('shadow of intent: none\n')
    expect((await run('shadow', 'intent', 'v2')).stdout).toBe(
      'shadow of intent: none → v2 (5 % of requests)\n',
    )
    expect((await run('shadow', 'intent', 'v3', '--sample', '0.5')).stdout).toBe(
      'shadow of intent: v2 (5 % of requests) → v3 (0.5 % of requests)\n',
    )
    expect((await run('show', 'intent')).stdout).toMatch(/^shadow +v3 \(0\.5 % of requests\)$/m)
    expect((await run('shadow', 'intent', '--clear')).stdout).toBe(
      'shadow of intent: v3 (0.5 % of requests) → none\n',
    )
    expect((await run('shadow', 'intent', '--clear')).stdout).toBe(
      'shadow of intent: none (unchanged)\n',
    )
  })

  it.each([
    [['intent', 'v9'], 1, 'intent has no v9'],
    [['intent', 'champion'], 2, 'a version such as v7'],
    [['intent', 'v2', '--sample', '101'], 2, '--sample'],
    [['intent', 'v2', '--sample', '0'], 1, 'more than 0'],
    [['intent', '--sample', '5'], 2, 'needs the version'],
    [['intent', 'v2', '--clear'], 2, 'leave the rest out'],
  ])('%j is refused', async (argv, code, message) => {
    expect(await run('shadow', ...argv)).toMatchObject({
      code,
      stdout: '',
      stderr: expect.stringContaining(message),
    })
  })
})

describe('alias rm', () => {
  it('takes an alias away; the champion only with --yes', async () => {
    await run('promote', 'intent@v2', '--alias', 'challenger')
    expect((await run('alias', 'rm', 'intent@challenger')).stdout).toBe(
      'intent@challenger: v2 → none\n',
    )
    expect((await run('alias', 'rm', 'intent@challenger')).stdout).toContain('(unchanged)')
    expect(await run('alias', 'rm', 'intent@champion')).toMatchObject({
      code: 2,
      stdout: '',
      stderr: expect.stringContaining('pass --yes'),
    })
    expect((await state()).aliases).toEqual({ champion: 1 })
    expect((await run('alias', 'rm', 'intent@champion', '--yes')).stdout).toBe(
      'intent@champion: v1 → none\n',
    )
    expect(await run('alias', 'rm', 'intent@v1')).toMatchObject({ code: 2 })
  })
})

describe('diff', () => {
  it('puts metrics, labels and facts side by side', async () => {
    const file = { path: 'head.bin', source: { bytes: Buffer.from('x') } }
    const publish = (labels: string[], accuracy: number | null, dataHash: string) =>
      registry.publish({
        name: 'topic',
        kind: 'classifier',
        family: 'a'.repeat(64),
        metadata: {
          ...{ labelCount: labels.length, labels, dimension: 8, multiLabel: false },
          ...{ method: 'lda', why: '', headBytes: 1, neighbourRows: 0, detector: false },
        },
        metrics: { accuracy, nll: 0.25, testRows: 100 },
        lineage: { dataHash, seed: 42 },
        files: [file],
      })
    await publish(['buy', 'sell'], 0.9, 'first')
    await publish(['buy', 'hold'], 0.925, 'second')
    await publish(['buy'], null, 'second')
    await registry.promote('topic', 2)
    const { stdout } = await run('diff', 'topic', 'v1', 'champion')
    for (const part of [
      /^topic: v1 → v2\n/,
      /^METRIC +v1 +v2 +DIFFERENCE$/m,
      /^accuracy +90\.0 % +92\.5 % +\+2\.5 points$/m,
      /^nll +0\.2500 +0\.2500 +0$/m,
      /^testRows +100 +100 +0$/m,
      /^labels: 1 kept, 1 added, 1 removed\n {2}\+ hold\n {2}- sell$/m,
      /^data sha256 +first +second$/m,
    ]) {
      expect(stdout).toMatch(part)
    }
    expect(stdout).not.toMatch(/^(?:method|seed)/m)
    expect((await run('diff', 'topic', 'v2', 'v3')).stdout).toMatch(/^accuracy +92\.5 % +– +–$/m)
    expect(JSON.parse((await run('diff', 'topic', 'v1', 'v2', '--json')).stdout)).toMatchObject({
      name: 'topic',
      metrics: [{ metric: 'accuracy', before: 0.9, after: 0.925 }, {}, {}],
      labels: { added: ['hold'], removed: ['sell'], kept: 1 },
    })
  })

  it('reads labels from the heads where the cards do not list them', async () => {
    const long = Array.from({ length: 800 }, (_, i) => `${i} ${'x'.repeat(100)}`)
    for (const labels of [long, [...long.slice(1), 'new']]) {
      const head = createTestHead('l', { labels }, labels.length)
      await publishHead(registry, 'long', head, { alias: null })
    }
    expect((await registry.getVersion('long', 1)).metadata.labels).toBeNull()
    const { stdout } = await run('diff', 'long', 'v1', 'v2')
    expect(stdout).toContain('labels: 799 kept, 1 added, 1 removed\n  + new\n')
  })

  it.each([
    [['intent', 'v1', 'v9'], 1, 'intent has no v9'],
    [['intent', 'v1', 'fresh'], 1, 'intent has no fresh'],
    [['intent', 'v1', '../x'], 2, 'after "@" comes a version'],
    [['intent@v1', 'v1', 'v2'], 2, 'diff takes a name without "@"'],
    [['intent', 'v1'], 2, "missing required argument 'after'"],
  ])('%j is refused', async (argv, code, message) => {
    expect(await run('diff', ...argv)).toMatchObject({
      code,
      stdout: '',
      stderr: expect.stringContaining(message),
    })
  })
})

describe('delete', () => {
  const versions = () => registry.listVersions('intent')

  it('is refused while a name uses the version, saying which', async () => {
    await run('promote', 'intent@v2', '--alias', 'challenger')
    await run('shadow', 'intent', 'v3')
    for (const [version, use] of [
      ['v1', 'alias champion'],
      ['v2', 'alias challenger'],
      ['v3', 'shadow'],
    ]) {
      expect(await run('delete', `intent@${version}`, '--yes')).toMatchObject({
        code: 1,
        stdout: '',
        stderr: expect.stringContaining(`intent@${version} is in use by ${use}; move that first`),
      })
    }
    await run('traffic', 'intent', 'v2=100')
    await run('alias', 'rm', 'intent@challenger')
    const { stderr } = await run('delete', 'intent@v2', '--yes')
    expect(stderr).toContain('in use by traffic')
    expect(await versions()).toEqual([1, 2, 3])
  })

  it('erases what no other version has, and says what stays', async () => {
    await publishHead(registry, 'copy', createTestHead('c'), { alias: null })
    expect((await run('delete', 'intent@v3', '--yes', '--grace', '0s')).stdout).toMatch(
      /^intent@v3 deleted: 0 B erased\n {2}head\.bin stays: another version uses it\n$/,
    )
    expect((await run('delete', 'intent@v2', '--yes')).stdout).toMatch(
      /^intent@v2 deleted: 0 B erased\n {2}head\.bin stays: it is young; garbage collection takes it later\n$/,
    )
    const gone = await run('delete', 'copy@v1', '--yes', '--grace', '0s', '--reason', 'asked to')
    expect(gone.stdout).toMatch(/^copy@v1 deleted: [\d.]+ B erased\n$/)
    expect(await versions()).toEqual([1])
    expect((await run('show', 'intent@v2')).stderr).toContain('intent@v2 was deleted at')
    expect((await run('show', 'intent')).stdout).toMatch(/delete intent@v2$/m)
    expect((await registry.verify()).damages).toEqual([])
  })

  it('prints JSON', async () => {
    const { stdout } = await run('delete', 'intent@v3', '--yes', '--grace', '0s', '--json')
    expect(JSON.parse(stdout)).toEqual({
      model: 'intent@v3',
      erased: [{ path: 'head.bin', sha256: expect.stringMatching(/^[0-9a-f]{64}$/) }],
      kept: [],
    })
  })

  it.each([
    ['y\n', 0, [1, 2]],
    ['n\n', 2, [1, 2, 3]],
    ['\n', 2, [1, 2, 3]],
  ])('asks on a terminal, where %j means what it says', async (answer, code, left) => {
    const stdin = Object.assign(new PassThrough(), { isTTY: true })
    stdin.write(answer)
    const boot = createFakeBoot({ registry })
    const result = await runCommand(['delete', 'intent@v3'], { boot, stdin, terminal: true })
    expect(result.code).toBe(code)
    expect(result.stderr).toContain('intent@v3 and its files are deleted for good. Go on? [y/N]')
    expect(await versions()).toEqual(left)
  })

  it.each([
    [['intent@v3'], 2, 'pass --yes to do it'],
    [['intent@champion', '--yes'], 2, 'say which version of intent'],
    [['intent', '--yes'], 2, 'say which version of intent'],
    [['intent@v9', '--yes'], 1, 'intent has no v9'],
    [['intent@v3', '--yes', '--grace', '1'], 2, '--grace'],
  ])('%j is refused', async (argv, code, message) => {
    expect(await run('delete', ...argv)).toMatchObject({
      code,
      stdout: '',
      stderr: expect.stringContaining(message),
    })
    expect(await versions()).toEqual([1, 2, 3])
  })
})
