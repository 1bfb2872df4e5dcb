import { z } from 'zod'
import { readLogQuery, startLogQuery } from '../../shared/aws/log-query.ts'
import type { Clock } from '../../shared/lib/clock.ts'
import { EspalierError, isEspalierError } from '../../shared/lib/errors.ts'
import type { Logger } from '../../shared/lib/logger.ts'
import { CHAMPION, formatModelVersion } from '../../shared/lib/text/model-address.ts'
import { describeIssue } from '../../shared/registry/records/record.ts'
import { openRegistry } from '../../shared/registry/registry.ts'
import { openBlobStore } from '../../shared/registry/stores/open-store.ts'
import type { Registry } from '../../shared/registry/types.ts'
import { answersQuery, countAnswers, findFault } from './count-answers.ts'

/** Who rolls back, in the history of the model. */
export const BAKE = 'bake'
/** Queries of one minute that may fail, and the longest time of one: it takes seconds. */
const MAX_TRIES = 3
const QUERY_MS = 120_000
const MINUTE_MS = 60_000
const MAX_REASON_LENGTH = 500

const settingsSchema = z.object({
  registry: z.string().min(1),
  logGroups: z.array(z.string().min(1)).min(1).max(50),
  minutes: z.number().min(1),
  errors: z.number().min(0).max(1),
  latencyMs: z.number().positive().nullable(),
})

/** What is known of a bake, which the state machine hands from step to step. */
const bakeSchema = z.object({
  /** The promotion, as its event has it. */
  change: z.object({
    model: z.string().min(1),
    from: z.number().nullish(),
    to: z.number(),
    at: z.iso.datetime(),
    id: z.string().min(1),
  }),
  /** Queries of this minute that failed. */
  tries: z.number().default(0),
  query: z.object({ id: z.string(), atMs: z.number() }).optional(),
  /** What CloudWatch says of alarms that are red; absent where none are looked at. */
  alarms: z
    .object({
      MetricAlarms: z
        .array(z.object({ AlarmName: z.string(), StateUpdatedTimestamp: z.coerce.date() }))
        .default([]),
    })
    .optional(),
  /** What speaks against the version. */
  reason: z.string().optional(),
})

const inputSchema = z.object({
  step: z.enum(['ask', 'read', 'rollback']),
  settings: settingsSchema,
  bake: bakeSchema,
})

type Settings = z.infer<typeof settingsSchema>
type Bake = z.infer<typeof bakeSchema>

/**
 * How a step went: `asked`, `running`, `again`, `healthy` go on; `failing` is to be rolled back; `rolled_back` and
 * `kept` are to be told; `over` ends.
 */
export interface BakeStep extends Omit<Bake, 'alarms'> {
  readonly outcome:
    | 'asked'
    | 'running'
    | 'again'
    | 'healthy'
    | 'failing'
    | 'rolled_back'
    | 'kept'
    | 'over'
  /** What is told, for `rolled_back` and `kept`. */
  readonly message?: string
}

/** What the steps are made with. */
export interface BakeDeps {
  readonly logger: Logger
  readonly clock: Clock
}

/**
 * Makes the function of the steps of a bake. Its errors are named by their code, which the state machine can tell.
 * @throws Error named `registry_unavailable`, `aws_unavailable`, `forbidden`, `invalid_config`, `invalid_request`
 */
export function createBake({ logger, clock }: BakeDeps): (input: unknown) => Promise<BakeStep> {
  return async (input) => {
    try {
      const { step, settings, bake } = readInput(input)
      const { model, to } = bake.change
      const result = await STEPS[step](settings, bake, clock)
      const { outcome, reason } = result
      logger.info({ model, version: to, step, outcome, reason }, 'step of a bake')
      return result
    } catch (error) {
      logger.error({ err: error, input }, 'a step of a bake failed')
      if (!(error instanceof EspalierError)) throw error
      const named = new Error(error.message, { cause: error })
      named.name = error.code
      throw named
    }
  }
}

const STEPS = { ask, read, rollback } as const

function readInput(input: unknown): z.infer<typeof inputSchema> {
  const parsed = inputSchema.safeParse(input)
  if (parsed.success) return parsed.data
  const message = `this is no step of a bake: ${describeIssue(parsed.error)}`
  throw new EspalierError('invalid_request', message)
}

/** Looks whether the version still is the champion, and starts a query for its answers since the promotion. */
async function ask(settings: Settings, bake: Bake, clock: Clock): Promise<BakeStep> {
  const { alarms, ...kept } = bake
  const isBaking = await withRegistry(settings, (registry) => isStillChampion(registry, bake))
  if (!isBaking) return { ...kept, outcome: 'over' }
  const atMs = clock.wallMs()
  const sinceMs = promotedMs(bake)
  const red = alarms?.MetricAlarms.find(({ StateUpdatedTimestamp: at }) => at.getTime() >= sinceMs)
  if (red) {
    const label = labelOf(bake)
    const reason = `bake: the alarm ${red.AlarmName} went off after ${label} became champion`
    return { ...kept, outcome: 'failing', reason: reason.slice(0, MAX_REASON_LENGTH) }
  }
  const id = await startLogQuery({
    logGroups: settings.logGroups,
    text: answersQuery(labelOf(bake)),
    fromMs: sinceMs,
    toMs: Math.min(atMs, endMs(settings, bake)),
  })
  return { ...kept, outcome: 'asked', query: { id, atMs } }
}

/** Reads what the query found, and says how the version does. */
async function read(settings: Settings, bake: Bake, clock: Clock): Promise<BakeStep> {
  const { alarms: _, ...kept } = bake
  const { query } = bake
  if (query === undefined) {
    throw new EspalierError('invalid_request', 'there is no query whose answer could be read')
  }
  const answer = await readLogQuery(query.id)
  const isLate = clock.wallMs() - query.atMs > QUERY_MS
  if (answer.status === 'running' && !isLate) return { ...kept, outcome: 'running' }
  if (answer.status !== 'complete') {
    const tries = bake.tries + 1
    if (tries < MAX_TRIES) return { ...kept, outcome: 'again', tries }
    const message = `the log could not be searched: ${MAX_TRIES} queries failed, the last one is ${query.id}`
    throw new EspalierError('aws_unavailable', message)
  }
  const lastMs = Math.min(query.atMs, endMs(settings, bake))
  const minutes = Math.max(1, Math.ceil((lastMs - promotedMs(bake)) / MINUTE_MS))
  const seen = { label: labelOf(bake), minutes }
  const fault = findFault(countAnswers(answer.rows), settings, seen)
  if (fault !== null) return { ...kept, outcome: 'failing', reason: fault }
  const isDone = query.atMs >= endMs(settings, bake)
  return { ...kept, outcome: isDone ? 'over' : 'healthy', tries: 0 }
}

/**
 * Rolls the champion back if it still is that version. The change has the id of the promotion in its own, so that a
 * step that is run again finds it done.
 */
async function rollback(settings: Settings, bake: Bake): Promise<BakeStep> {
  const { alarms: _, ...kept } = bake
  const { model, to, id: promotion } = bake.change
  const { reason = 'bake' } = bake
  const id = `${promotion}-${BAKE}`.slice(-100)
  return withRegistry(settings, async (registry) => {
    try {
      const note = { id, by: BAKE, reason }
      const { history } = await registry.rollback(model, { ifCurrent: to, ...note })
      const before = history.find((change) => change.id === id)?.to
      const message = `Espalier: ${model} was rolled back from v${to} to v${before}. ${reason}`
      return { ...kept, outcome: 'rolled_back', message }
    } catch (error) {
      if (isEspalierError(error, 'version_conflict')) return { ...kept, outcome: 'over' }
      // There is no version before, or it was deleted.
      if (!isEspalierError(error, 'version_not_found')) throw error
      const message = `Espalier: ${labelOf(bake)} stays champion although it fails: ${error.message}. ${reason}`
      return { ...kept, outcome: 'kept', message }
    }
  })
}

/**
 * False also where the same version was promoted anew, as that promotion has a bake of its own, and where it was the
 * champion before, whose traffic split ended. Encoders have none.
 */
async function isStillChampion(registry: Registry, { change }: Bake): Promise<boolean> {
  const { model, from, to, id } = change
  if (from === to) return false
  const reading = await registry.readState(model)
  if (reading.status !== 'found') return false
  const last = reading.state.history.findLast(({ alias }) => alias === CHAMPION)
  if (last?.id !== id) return false
  return (await registry.getVersion(model, to)).kind === 'classifier'
}

async function withRegistry<T>(
  { registry: url }: Settings,
  use: (registry: Registry) => Promise<T>,
): Promise<T> {
  const registry = openRegistry(await openBlobStore(url))
  try {
    return await use(registry)
  } finally {
    await registry.close()
  }
}

const promotedMs = ({ change }: Bake): number => Date.parse(change.at)
const endMs = ({ minutes }: Settings, bake: Bake): number => promotedMs(bake) + minutes * MINUTE_MS
const labelOf = ({ change }: Bake): string =>
  formatModelVersion({ name: change.model, version: change.to })
