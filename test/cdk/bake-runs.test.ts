import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { toFill } from '../../cdk/constructs/bake-machine.ts'
import { createBake } from '../../functions/events/run-bake.ts'
import { BAKE_STATES } from '../../shared/deployment/costs.ts'
import { silentLogger } from '../../shared/lib/logger.ts'
import { openRegistry } from '../../shared/registry/registry.ts'
import { openBlobStore } from '../../shared/registry/stores/open-store.ts'
import type { Registry } from '../../shared/registry/types.ts'
import { type FakeAws, refusal, startFakeAws } from '../fakes/fake-aws.ts'
import { sampleRequest } from '../unit/registry/samples.ts'
import { type Machine, runMachine } from './run-machine.ts'
import { ofType, SMALLEST, synthesize } from './synthesize.ts'

const MODEL = 'intent'
const START_MS = Date.parse('2026-12-01T09:00:00Z')
const VALUES = { ...SMALLEST, stacks: 'store,cpu,ops', events: 'true', 'bake.minutes': '5' }
const ALARM = 'checkout-conversion'

const machines = {
  plain: readMachine(VALUES),
  fast: readMachine({ ...VALUES, 'bake.latency': '200' }),
  alarmed: readMachine({ ...VALUES, 'bake.alarms': ALARM }),
}

let aws: FakeAws
let registry: Registry
let folder: string
let nowMs: number
let sent: string[]
/** What happens as time passes: after so many seconds since the promotion. */
let later: { readonly s: number; readonly run: () => unknown }[]

beforeEach(async () => {
  aws = await startFakeAws()
  aws.logs.set('cpu', [])
  for (const [name, value] of Object.entries(aws.env)) vi.stubEnv(name, value)
  folder = mkdtempSync(join(tmpdir(), 'espalier-bake-'))
  nowMs = START_MS
  sent = []
  later = []
  const clock = { wallMs: () => nowMs, monotonicMs: () => nowMs }
  registry = openRegistry(await openBlobStore(`file://${folder}`), { clock })
  for (const content of ['one', 'two', 'three']) await registry.publish(sampleRequest(content))
})

afterEach(async () => {
  vi.unstubAllEnvs()
  await registry.close()
  await aws.close()
  rmSync(folder, { recursive: true, force: true })
})

/** The machine of a deployment, before names are put into it. */
function readMachine(values: Parameters<typeof synthesize>[0]): string {
  const [machine] = ofType(synthesize(values), 'EspalierOps', 'AWS::StepFunctions::StateMachine')
  return String(machine?.Properties?.DefinitionString)
}

/** Lines of answers of a version, as the service writes them. */
function answer(version: number, count: number, fields: object = {}): void {
  const line = { msg: 'request', status: 200, durationMs: 20, heads: `${MODEL}@v${version}` }
  for (let i = 0; i < count; i++)
    aws.logs.get('cpu')!.push({ atMs: nowMs, line: { ...line, ...fields } })
}
const fail = (version: number, count: number) =>
  answer(version, count, { status: 500, errorCode: 'internal' })

async function promote(version: number, by?: string) {
  const { history } = await registry.promote(MODEL, version, { by })
  return { registry: 'as in the event', model: MODEL, revision: 1, ...history.at(-1) }
}

/** Runs a bake from an event on, with the function itself and what AWS answers to it. */
async function bake(
  event: unknown,
  options: {
    readonly machine?: keyof typeof machines
    /** Alarms that are red. */
    readonly red?: () => object[]
    readonly beforeStep?: (step: string) => Promise<unknown> | undefined
  } = {},
) {
  const { machine = 'plain', red = () => [], beforeStep } = options
  const text = machines[machine]
    .replaceAll(toFill('Registry'), `file://${folder}`)
    .replaceAll(toFill('LogGroup0'), 'cpu')
  const clock = { wallMs: () => nowMs, monotonicMs: () => nowMs }
  const step = createBake({ logger: silentLogger, clock })
  const execution = await runMachine(JSON.parse(text) as Machine, event, {
    async wait(seconds) {
      const untilMs = nowMs + seconds * 1000
      for (const { s, run } of later) {
        const atMs = START_MS + s * 1000
        if (atMs <= nowMs || atMs > untilMs) continue
        nowMs = atMs
        await run()
      }
      nowMs = untilMs
    },
    tasks: {
      'lambda:invoke': async ({ Payload }: { Payload: { step: string } }) => {
        await beforeStep?.(Payload.step)
        return { StatusCode: 200, Payload: JSON.parse(JSON.stringify(await step(Payload))) }
      },
      'sns:publish': ({ Message, TopicArn }: { Message: string; TopicArn: string }) => {
        expect(TopicArn).toBe(toFill('Topic'))
        sent.push(Message)
        return { MessageId: 'm' }
      },
      'cloudwatch:describeAlarms': (asked: object) => {
        expect(asked).toEqual({
          AlarmNames: [ALARM],
          AlarmTypes: ['MetricAlarm'],
          StateValue: 'ALARM',
        })
        return { CompositeAlarms: [], MetricAlarms: red() }
      },
    },
  })
  const reading = await registry.readState(MODEL)
  const { state } = reading as typeof reading & { status: 'found' }
  return { ...execution, champion: state.aliases.champion, last: state.history.at(-1) }
}

const queries = () => aws.calls.filter(({ name }) => name === 'logs.StartQuery')

describe('a champion in its bake time', () => {
  let event: Awaited<ReturnType<typeof promote>>

  beforeEach(async () => {
    await promote(2)
    event = await promote(3, 'ann')
  })

  it('stays if it is healthy, and is looked at until the time is over', async () => {
    for (let minute = 0; minute < 6; minute++) {
      later.push({ s: minute * 60 + 30, run: () => answer(3, 40) })
    }
    later.push({ s: 100, run: () => fail(3, 2) })
    const { status, champion, path } = await bake(event)
    expect({ status, champion, sent }).toEqual({ status: 'Succeed', champion: 3, sent: [] })
    expect(path.at(-2)).toBe('IsRead')
    const minute = path.slice(path.indexOf('Wait'), path.indexOf('Wait', 2))
    expect(new Set(minute).size).toBe(BAKE_STATES.minute)
    expect(queries().length).toBeGreaterThanOrEqual(4)
    expect(nowMs).toBeGreaterThanOrEqual(START_MS + 5 * 60_000)
    expect(nowMs).toBeLessThan(START_MS + 8 * 60_000)
    const last = queries().at(-1)?.input
    expect(last).toMatchObject({
      logGroupNames: ['cpu'],
      startTime: START_MS / 1000,
      endTime: START_MS / 1000 + 300,
    })
  })

  it('stays without answers, and by what others answered', async () => {
    later.push({ s: 30, run: () => fail(2, 50) })
    expect(await bake(event)).toMatchObject({ status: 'Succeed', champion: 3 })
    expect(sent).toEqual([])
  })

  it('is rolled back if it fails, with the figure in the history and in the message', async () => {
    later.push({ s: 30, run: () => answer(3, 60) })
    later.push({
      s: 150,
      run: () => {
        answer(3, 8)
        fail(3, 12)
      },
    })
    const { status, champion, last } = await bake(event)
    const reason = 'bake: 12 of 80 answers of intent@v3 failed within 4 minutes'
    expect({ status, champion }).toEqual({ status: 'Succeed', champion: 2 })
    expect(last).toMatchObject({ action: 'rollback', from: 3, to: 2, by: 'bake', reason })
    expect(sent).toEqual([`Espalier: intent was rolled back from v3 to v2. ${reason}`])
  })

  it('is rolled back once where its event comes twice', async () => {
    later.push({ s: 30, run: () => fail(3, 50) })
    await bake(event)
    expect(await bake(event)).toMatchObject({ status: 'Succeed', champion: 2 })
    expect(sent).toHaveLength(1)
    const reading = await registry.readState(MODEL)
    expect(reading).toMatchObject({ state: { revision: 3 } })
  })

  it('is rolled back if it is slow, where that has a limit', async () => {
    later.push({ s: 30, run: () => answer(3, 50, { durationMs: 900 }) })
    const { champion, last } = await bake(event, { machine: 'fast' })
    expect(champion).toBe(2)
    expect(last?.reason).toContain('95th percentile of 50 answers of intent@v3 was 900 ms')
    expect(sent).toHaveLength(1)
  })

  it('is left alone if another version is promoted meanwhile', async () => {
    later.push({ s: 90, run: () => promote(1) })
    later.push({ s: 100, run: () => fail(3, 50) })
    expect(await bake(event)).toMatchObject({ status: 'Succeed', champion: 1 })
    expect(queries()).toHaveLength(1)
    expect(sent).toEqual([])
  })

  it('is left alone if it was rolled back and promoted anew: that is another bake', async () => {
    later.push({ s: 20, run: () => fail(3, 50) })
    later.push({ s: 40, run: () => registry.rollback(MODEL) })
    later.push({ s: 50, run: () => promote(3) })
    expect(await bake(event)).toMatchObject({ status: 'Succeed', champion: 3 })
    expect(sent).toEqual([])
  })

  it('undoes no promotion that comes in at the last moment', async () => {
    later.push({ s: 30, run: () => fail(3, 50) })
    const beforeStep = (step: string) => (step === 'rollback' ? promote(1) : undefined)
    const { status, champion, path } = await bake(event, { beforeStep })
    expect({ status, champion, sent }).toEqual({ status: 'Succeed', champion: 1, sent: [] })
    expect(path).toContain('RollBack')
  })

  it('is rolled back by an alarm that went off since, and not by one that was red before', async () => {
    const red = (seconds: number) => () => [
      {
        AlarmName: ALARM,
        StateValue: 'ALARM',
        StateUpdatedTimestamp: new Date(START_MS + seconds * 1000).toISOString(),
      },
    ]
    const before = await bake(event, { machine: 'alarmed', red: red(-60) })
    expect(before).toMatchObject({ status: 'Succeed', champion: 3 })
    nowMs = START_MS
    const { champion, last } = await bake(event, { machine: 'alarmed', red: red(20) })
    expect(champion).toBe(2)
    expect(last?.reason).toBe(`bake: the alarm ${ALARM} went off after intent@v3 became champion`)
    expect(sent).toHaveLength(1)
  })

  it('stays, and somebody is told, if it was the first', async () => {
    await registry.publish(sampleRequest('first', { name: 'topic' }))
    const { history } = await registry.promote('topic', 1)
    const lines = aws.logs.get('cpu')!
    const line = { msg: 'request', status: 500, durationMs: 1, heads: 'topic@v1' }
    for (let i = 0; i < 30; i++) lines.push({ atMs: START_MS, line })
    const { status } = await bake({ model: 'topic', ...history.at(-1) })
    expect(status).toBe('Succeed')
    expect(await registry.resolve('topic')).toMatchObject({ version: 1 })
    expect(sent).toEqual([
      'Espalier: topic@v1 stays champion although it fails: topic@champion has no earlier version to roll back to. bake: 30 of 30 answers of topic@v1 failed within a minute',
    ])
  })

  it('has none if it is an encoder, or was the champion before', async () => {
    later.push({ s: 30, run: () => fail(3, 50) })
    expect(await bake({ ...event, from: 3 })).toMatchObject({ champion: 3 })
    await registry.publish(sampleRequest('encoder', { name: 'mine', kind: 'embedding' }))
    const { history } = await registry.promote('mine', 1)
    await bake({ model: 'mine', ...history.at(-1) })
    expect(queries()).toEqual([])
  })
})

describe('a log that cannot be searched', () => {
  let event: Awaited<ReturnType<typeof promote>>

  beforeEach(async () => {
    await promote(2)
    event = await promote(3)
    later.push({ s: 30, run: () => fail(3, 50) })
  })

  const lost = { status: 200, body: { status: 'Failed', results: [] } }

  it('is searched again, and the version rolled back by what it says then', async () => {
    let left = 2
    aws.fault = ({ name }) => (name === 'logs.GetQueryResults' && left-- > 0 ? lost : null)
    expect(await bake(event)).toMatchObject({ status: 'Succeed', champion: 2 })
    expect(queries()).toHaveLength(3)
  })

  it('is searched again where as many queries run as may', async () => {
    let left = 2
    aws.fault = ({ name }) =>
      name === 'logs.StartQuery' && left-- > 0
        ? refusal('LimitExceededException', 'too many queries')
        : null
    expect(await bake(event)).toMatchObject({ status: 'Succeed', champion: 2 })
  })

  it('ends the bake in the end: nothing is rolled back, and somebody is told', async () => {
    aws.fault = ({ name }) => (name === 'logs.GetQueryResults' ? lost : null)
    const { status, champion, path } = await bake(event)
    expect({ status, champion }).toEqual({ status: 'Fail', champion: 3 })
    expect(path.slice(-2)).toEqual(['TellUndecided', 'Failed'])
    expect(sent).toEqual([
      'Espalier: the bake of intent@v3 ended without a decision, and nothing was rolled back: aws_unavailable. The execution arn:aws:states:eu-west-1:123456789012:execution:bake:1 has the reason.',
    ])
  })

  it('ends the bake where a query does not end', async () => {
    const running = { status: 200, body: { status: 'Running', results: [] } }
    aws.fault = ({ name }) => (name === 'logs.GetQueryResults' ? running : null)
    expect(await bake(event)).toMatchObject({ status: 'Fail', champion: 3 })
    expect(nowMs).toBeLessThan(START_MS + 20 * 60_000)
    expect(sent).toHaveLength(1)
  })

  it('is one thing, alarms that cannot be read another: that is told as well', async () => {
    const red = (): object[] => {
      throw Object.assign(new Error('not authorized'), { name: 'CloudWatch.CloudWatchException' })
    }
    const { status, champion } = await bake(event, { machine: 'alarmed', red })
    expect({ status, champion }).toEqual({ status: 'Fail', champion: 3 })
    expect(sent).toEqual([
      expect.stringContaining('nothing was rolled back: CloudWatch.CloudWatchException'),
    ])
    expect(queries()).toEqual([])
  })

  it('is told of where the rights are missing', async () => {
    aws.fault = () => refusal('AccessDeniedException', 'not authorized')
    expect(await bake(event)).toMatchObject({ status: 'Fail', champion: 3 })
    expect(sent[0]).toContain('nothing was rolled back: forbidden')
  })

  it('is one thing, a registry that takes no roll-back another: it is to be done by hand', async () => {
    const beforeStep = async (step: string) => {
      if (step !== 'rollback') return
      throw Object.assign(new Error('S3 is away'), { name: 'registry_unavailable' })
    }
    expect(await bake(event, { beforeStep })).toMatchObject({ status: 'Fail', champion: 3 })
    expect(sent).toEqual([
      expect.stringContaining(
        'intent@v3 fails and could not be rolled back (registry_unavailable): do it by hand. bake: 50 of 50 answers',
      ),
    ])
  })
})
