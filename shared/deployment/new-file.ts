import { changeJson } from './change-json.ts'
import { parseDeployment } from './deployment-file.ts'
import type { SettingType, SettingValue } from './setting-types.ts'
import { type SettingKey, typeOf } from './settings.ts'

/** Values of settings as texts, as a command is given them: `cpu.memory` is `1769`. */
export type GivenValues = Readonly<Partial<Record<SettingKey, string>>>

/**
 * What a new deployment says. It fits an account that is new: Lambda gives such a one 3,008 MB a function and ten copies
 * at once, and 1,769 MB are one whole processor. The network keeps its subnets whatever is added to it.
 */
const NEW: ReadonlyMap<SettingKey, SettingValue> = new Map<SettingKey, SettingValue>([
  ['cpu.memory', 1769],
  ['cpu.rate', 10],
  ['cpu.burst', 10],
  ['gpu.names', 'region'],
  ['data.prefix', 'rows/'],
  ['network.layout', 'fixed'],
])

/** What holds for a deployment that has said nothing of it so far. */
function adopted(given: GivenValues): ReadonlyMap<SettingKey, SettingValue> {
  const hasGpu = given.stacks?.split(',').includes('gpu') ?? false
  const hasAccess = ['cpu.keys', 'cpu.jwt.issuer', 'cpu.open'].some((key) => key in given)
  return new Map<SettingKey, SettingValue>([
    ['cpu.memory', 3538],
    ['cpu.rate', 50],
    ['cpu.burst', 100],
    ['network.layout', hasGpu ? '1-nat' : '1-public'],
    ...(hasAccess ? [] : ([['cpu.iam', true]] as const)),
  ])
}

/** What a deployment file is to say. */
export interface NewDeployment {
  readonly given: GivenValues
  /** The environment that the given values are of; null for a file without any. */
  readonly environment: string | null
  /** Whether it describes what is deployed already, by an earlier version. */
  readonly adopt: boolean
}

/**
 * The text of a new deployment file.
 * @param path for messages
 * @throws EspalierError `invalid_config` naming a value that cannot be
 */
export function createDeploymentText(
  path: string,
  { given, environment, adopt }: NewDeployment,
): string {
  const own = valuesOf(given)
  const common = new Map([...(adopt ? adopted(given) : NEW)].filter(([key]) => !own.has(key)))
  if (environment === null) {
    const text = `${write('{}', [], new Map([...own, ...common]))}\n`
    parseDeployment(path, text)
    return text
  }
  return addEnvironmentText(path, write('{}', [], common), environment, given)
}

/**
 * The text of a deployment file with one more environment; all else stays as it is.
 * @throws EspalierError `invalid_config` for one that is there, or that cannot be beside the others
 */
export function addEnvironmentText(
  path: string,
  text: string,
  environment: string,
  given: GivenValues,
): string {
  const place = ['environments', environment]
  const changed = write(changeJson(text, place, {}), place, valuesOf(given))
  parseDeployment(path, changed, environment)
  return changed.endsWith('\n') ? changed : `${changed}\n`
}

function write(
  text: string,
  place: readonly string[],
  values: ReadonlyMap<SettingKey, SettingValue>,
): string {
  return [...values].reduce(
    (changed, [key, value]) => changeJson(changed, [...place, ...key.split('.')], value),
    text,
  )
}

function valuesOf(given: GivenValues): Map<SettingKey, SettingValue> {
  const pairs = Object.entries(given) as [SettingKey, string][]
  return new Map(pairs.map(([key, text]) => [key, parse(typeOf(key), text)]))
}

/** What cannot be stays as it is, for the schema of the file to refuse it. */
function parse({ kind }: SettingType, text: string): SettingValue {
  if (kind === 'list') return text.split(',').map((part) => part.trim())
  if (kind === 'flag') return text === 'true' || (text === 'false' ? false : text)
  if (kind !== 'whole' && kind !== 'number') return text
  const number = Number(text)
  return text.trim() === '' || Number.isNaN(number) ? text : number
}
