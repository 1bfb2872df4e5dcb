import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { runCommand } from './run.ts'

const work = mkdtempSync(join(tmpdir(), 'espalier-costs-'))
const file = join(work, 'espalier.deploy.json')
afterAll(() => rmSync(work, { recursive: true, force: true }))
const never = () => Promise.reject(new Error('not needed'))

interface Found {
  readonly prices: { readonly date: string }
  readonly idle: readonly { readonly part: string; readonly usd: number }[]
  readonly requests: { readonly usd: number }
  readonly wake: { readonly usd: number } | null
  readonly changes: { readonly usd: number } | null
  readonly bake: { readonly usd: number } | null
}

async function costsOf(settings: object, ...argv: string[]): Promise<Found> {
  writeFileSync(file, JSON.stringify(settings))
  const run = await runCommand(['aws', 'costs', '--file', file, '--json', ...argv], { boot: never })
  expect(run).toMatchObject({ code: 0, stderr: '' })
  return JSON.parse(run.stdout)
}

const idleOf = (found: Found, part: string) => found.idle.find((each) => each.part === part)?.usd

describe('espalier aws costs', () => {
  it('adds what AWS states for a snapshot: $13.66 a month for 3,538 MiB, $6.83 for 1,769', async () => {
    for (const [memory, usd] of [
      [3538, 13.66],
      [1769, 6.83],
    ] as const) {
      const without = await costsOf({ region: 'us-east-1', cpu: { memory } })
      const snapped = await costsOf({ region: 'us-east-1', cpu: { memory, snapstart: true } })
      const more = idleOf(snapped, 'CpuApi')! - idleOf(without, 'CpuApi')!
      expect(more).toBeCloseTo(usd, 2)
    }
  })

  it('counts requests by their time and memory', async () => {
    const settings = { region: 'us-east-1', cpu: { memory: 1024 } }
    const { requests } = await costsOf(settings, '--requests', '1000000', '--milliseconds', '100')
    // 100,000 GB-seconds, a million calls of function and API, a GB of logs.
    expect(requests.usd).toBeCloseTo(1.66667 + 0.2 + 1 + 0.5, 4)
  })

  it('names the parts of the stacks alone, and a wake where the GPU sleeps', async () => {
    const small = await costsOf({ region: 'eu-west-1', stacks: ['store', 'cpu'] })
    expect(small.idle.map(({ part }) => part)).toEqual(['ModelStore', 'CpuApi'])
    expect(small.wake).toBeNull()
    const gpu = { region: 'eu-west-1', stacks: ['store', 'gpu', 'ops'], network: { nat: 2 } }
    const large = await costsOf(gpu)
    expect(idleOf(large, 'Network')).toBeCloseTo(2 * 730 * 0.05, 6)
    expect(large.wake?.usd).toBeGreaterThan(0.8)
    expect((await costsOf({ ...gpu, gpu: { idle: 'never' } })).wake).toBeNull()
  })

  it('counts the alarm on events of models', async () => {
    const without = await costsOf({ region: 'us-east-1' })
    const events = await costsOf({ region: 'us-east-1', events: true })
    expect(idleOf(events, 'Ops')! - idleOf(without, 'Ops')!).toBeCloseTo(0.1, 6)
  })

  it('counts changes of models, and a bake by its minutes and the requests in its log', async () => {
    const none = await costsOf({ region: 'us-east-1' })
    expect([none.changes, none.bake]).toEqual([null, null])
    const values = { region: 'us-east-1', events: true, bake: { minutes: 10 } }
    const { changes, bake } = await costsOf(values, '--requests', String(730 * 3600 * 100))
    // 3,000 events; 1,000 calls of 0.075 GB-seconds.
    expect(changes?.usd).toBeCloseTo(0.003 + 75 * 0.0000166667 + 0.0002, 6)
    // 62 states; the log of 55 minutes of 100 requests a second, half a KB each; 20 calls.
    const searched = (55 * 60 * 100 * 0.5) / 1e6
    expect(bake?.usd).toBeCloseTo(62 * 0.000025 + searched * 0.005 + 1.5 * 0.0000166667, 5)
  })

  it('counts a secret with keys, and no parameter', async () => {
    const keys = (arn: string) => costsOf({ region: 'eu-west-1', cpu: { keys: arn } })
    const secret = 'arn:aws:secretsmanager:eu-west-1:123456789012:secret:espalier/keys-AbCdEf'
    expect(idleOf(await keys(secret), 'keys')).toBeCloseTo(0.4, 6)
    const parameter = 'arn:aws:ssm:eu-west-1:123456789012:parameter/espalier/keys'
    expect(idleOf(await keys(parameter), 'keys')).toBeUndefined()
  })

  it('prints tables with the arithmetic and the date of the prices', async () => {
    writeFileSync(file, JSON.stringify({ region: 'us-east-1' }))
    const { stdout } = await runCommand(['aws', 'costs', '--file', file], { boot: never })
    expect(stdout).toContain('4 metrics of alarms × $0.1')
    expect(stdout).toMatch(/list prices of us-east-1, \d{4}-\d\d-\d\d/)
  })

  it.each([
    [['--requests', '0'], /whole number above 0/],
    [['--file', join(work, 'none.json')], /none\.json: there is no such file/],
  ])('refuses %j', async (argv, message) => {
    const run = await runCommand(['aws', 'costs', ...argv], { boot: never })
    expect(run.code).toBe(2)
    expect(run.stderr).toMatch(message)
  })
})
