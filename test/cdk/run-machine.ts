/** A state machine, as far as those of the templates use the language of Step Functions with JSONPath. */
export interface Machine {
  readonly StartAt: string
  readonly States: Readonly<Record<string, MachineState>>
}

interface MachineState {
  readonly Type: 'Task' | 'Pass' | 'Wait' | 'Choice' | 'Succeed' | 'Fail'
  readonly Resource?: string
  readonly Parameters?: Json
  readonly ResultPath?: string
  readonly OutputPath?: string
  readonly Seconds?: number
  readonly Choices?: readonly { Variable: string; StringEquals: string; Next: string }[]
  readonly Default?: string
  readonly Retry?: readonly Retrier[]
  readonly Catch?: readonly { ErrorEquals: string[]; ResultPath: string; Next: string }[]
  readonly Next?: string
}

interface Retrier {
  readonly ErrorEquals: readonly string[]
  readonly IntervalSeconds: number
  readonly BackoffRate: number
  readonly MaxAttempts: number
}

type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json }

/** What surrounds a machine. */
export interface MachineWorld {
  /** By the last part of their resource: `lambda:invoke`. */
  readonly tasks: Readonly<Record<string, (parameters: never) => Promise<unknown> | unknown>>
  /** Time passes; called for waits and before a task is tried again. */
  readonly wait: (seconds: number) => Promise<void> | void
}

/** How an execution went. */
export interface Execution {
  readonly status: 'Succeed' | 'Fail'
  /** Names of the states that it was in. */
  readonly path: readonly string[]
}

const EXECUTION = { Execution: { Id: 'arn:aws:states:eu-west-1:123456789012:execution:bake:1' } }
/** More than any execution of a test. */
const MAX_STATES = 5000

/** Runs a machine by the States Language. @throws Error for a path that leads nowhere, as Step Functions fails */
export async function runMachine(
  { StartAt, States }: Machine,
  input: unknown,
  world: MachineWorld,
): Promise<Execution> {
  const path: string[] = []
  let data = input as Json
  for (let name: string | undefined = StartAt; name !== undefined; ) {
    const state: MachineState | undefined = States[name]
    if (state === undefined) throw new Error(`there is no state ${name}`)
    path.push(name)
    if (path.length > MAX_STATES) throw new Error('the machine does not end')
    if (state.Type === 'Succeed' || state.Type === 'Fail') return { status: state.Type, path }
    name = state.Next
    if (state.Type === 'Pass') data = fill(state.Parameters ?? data, data)
    if (state.Type === 'Wait') await world.wait(state.Seconds ?? 0)
    if (state.Type === 'Choice') {
      const holds = ({ Variable, StringEquals }: { Variable: string; StringEquals: string }) =>
        read(data, Variable) === StringEquals
      name = state.Choices?.find(holds)?.Next ?? state.Default
    }
    if (state.Type === 'Task') ({ data, name } = await runTask(state, data, world))
  }
  throw new Error(`${path.at(-1)} leads nowhere`)
}

async function runTask(state: MachineState, data: Json, world: MachineWorld) {
  const run = world.tasks[state.Resource?.replace(/^arn:aws:states:::(?:aws-sdk:)?/, '') ?? '']
  if (run === undefined) throw new Error(`there is no task ${state.Resource}`)
  for (let attempt = 0; ; attempt++) {
    try {
      const parameters = fill(state.Parameters ?? data, data)
      const result = (await run(parameters as never)) as Json
      const output = put(data, state.ResultPath ?? '$', result)
      return { data: read(output, state.OutputPath ?? '$') as Json, name: state.Next }
    } catch (error) {
      const { name: code, message } = error as Error
      const takes = ({ ErrorEquals }: { readonly ErrorEquals: readonly string[] }) =>
        ErrorEquals.some((each) => each === 'States.ALL' || each === code)
      const retrier = state.Retry?.find(takes)
      if (retrier && attempt < retrier.MaxAttempts) {
        await world.wait(retrier.IntervalSeconds * retrier.BackoffRate ** attempt)
        continue
      }
      const catcher = state.Catch?.find(takes)
      if (catcher === undefined) throw error
      const failure = { Error: code, Cause: message }
      return { data: put(data, catcher.ResultPath, failure), name: catcher.Next }
    }
  }
}

/** Parameters with their paths and functions filled in. */
function fill(value: Json, data: Json): Json {
  if (Array.isArray(value)) return value.map((each) => fill(each, data))
  if (value === null || typeof value !== 'object') return value
  return Object.fromEntries(
    Object.entries(value).map(([key, each]) =>
      key.endsWith('.$')
        ? [key.slice(0, -2), evaluate(String(each), data)]
        : [key, fill(each, data)],
    ),
  )
}

function evaluate(text: string, data: Json): Json {
  const [, format, rest = ''] = /^States\.Format\('([^']*)'((?:, [^,]+)*)\)$/.exec(text) ?? []
  if (format === undefined) return read(data, text)
  const values = rest.split(', ').slice(1)
  if (values.length !== format.split('{}').length - 1) throw new Error(`arguments of ${text}`)
  return format.replace(/\{\}/g, () => String(evaluate(values.shift()!, data)))
}

function read(data: Json, path: string): Json {
  const [root, ...keys] = path.split('.')
  let value: Json | undefined = root === '$$' ? EXECUTION : data
  for (const key of keys) {
    value = (value as Readonly<Record<string, Json>> | null)?.[key]
    if (value === undefined)
      throw new Error(`States.Runtime: ${path} is not in ${JSON.stringify(data)}`)
  }
  if (root !== '$' && root !== '$$') throw new Error(`${path} is no path`)
  return value
}

function put(data: Json, path: string, value: Json): Json {
  if (path === '$') return value
  const [, key] = /^\$\.(\w+)$/.exec(path) ?? []
  if (key === undefined) throw new Error(`${path} is no path of a key`)
  return { ...(data as Readonly<Record<string, Json>>), [key]: value }
}
