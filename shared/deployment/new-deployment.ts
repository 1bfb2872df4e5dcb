import { EspalierError } from '../lib/errors.ts'
import { nearestName } from '../lib/text/nearest.ts'
import { quote } from '../lib/text/text.ts'
import { describeType, type Setting, type SettingValue, schemaOfType } from './setting-types.ts'
import { DEFAULT_STACKS, SETTINGS, type SettingKey, stacksOf } from './settings.ts'

/** Ways in which callers of a new deployment are known. */
export const ACCESSES = ['keys', 'iam', 'jwt', 'open'] as const
export type Access = (typeof ACCESSES)[number]

/** Values of a deployment, by key. */
export type DeploymentValues = ReadonlyMap<SettingKey, SettingValue>

const ROWS: readonly Setting[] = SETTINGS

/** What a new deployment is told, so that an account as AWS makes it can run it. */
const NEW: DeploymentValues = new Map<SettingKey, SettingValue>([
  ['name', 'Espalier'],
  ['stacks', DEFAULT_STACKS],
  // One whole processor and one worker. New accounts give 3,008 MiB at most, which would not be two.
  ['cpu.memory', 1769],
  // New accounts run ten copies at once, and a copy answers one request at a time.
  ['cpu.rate', 10],
  ['cpu.burst', 10],
  ['gpu.names', 'region'],
  ['events', true],
  ['data.prefix', 'rows/'],
  ['network.layout', 'fixed'],
])

/** What earlier versions deployed where nothing else was said. */
const OLD: DeploymentValues = new Map<SettingKey, SettingValue>([
  ['name', 'Espalier'],
  ['stacks', DEFAULT_STACKS],
  ['cpu.memory', 3538],
  ['cpu.rate', 50],
  ['cpu.burst', 100],
])

/** Reads `key=value` as `-c` takes it. @throws EspalierError `invalid_request` naming key, value and what is allowed */
export function parseSetting(pair: string): readonly [SettingKey, SettingValue] {
  const [, key = '', text = ''] = /^([^=]*)=(.*)$/s.exec(pair) ?? []
  const row = ROWS.find((each) => each.key === key && !each.ofCommand)
  if (row === undefined) {
    const nearest = nearestName(
      key,
      ROWS.map((each) => each.key),
    )
    const fix = nearest === null ? 'it takes KEY=VALUE' : `did you mean ${nearest}?`
    throw new EspalierError('invalid_request', `${quote(pair)} is no setting; ${fix}`)
  }
  const parsed = schemaOfType(row.type).safeParse(toValue(row, text.trim()))
  if (parsed.success) return [row.key as SettingKey, parsed.data]
  const message = `${key} is ${quote(text)}; it must be ${describeType(row.type)}`
  throw new EspalierError('invalid_request', message)
}

function toValue({ type }: Setting, text: string): unknown {
  if (type.kind === 'list') return text.split(',').flatMap((part) => part.trim() || [])
  if (type.kind === 'flag') return text === 'true' ? true : text === 'false' ? false : text
  const isNumber = type.kind === 'whole' || type.kind === 'number'
  return isNumber && text !== '' ? Number(text) : text
}

/**
 * The values of a new deployment: those that are given, over what fits a new account.
 * @throws EspalierError `invalid_request` for tokens of nobody
 */
export function startDeployment(given: DeploymentValues, access: Access): DeploymentValues {
  const values = new Map([...NEW, ...given])
  const stacks = stacksOf(values)
  if (!values.has('tags')) values.set('tags', [`espalier:deployment=${values.get('name')}`])
  if (stacks.includes('cpu') && !saysAccess(given)) {
    if (access === 'iam' || access === 'open') values.set(`cpu.${access}`, true)
    if (access === 'jwt') {
      const message =
        'callers with tokens need both cpu.jwt.issuer, an https URL, and cpu.jwt.audience; set them'
      throw new EspalierError('invalid_request', message)
    }
  }
  return values
}

/** The values of a deployment that an earlier version made of those that are given: nothing of it changes by the file. */
export function adoptDeployment(given: DeploymentValues): DeploymentValues {
  const values = new Map([...OLD, ...given])
  const stacks = stacksOf(values)
  if (stacks.includes('cpu') && !saysAccess(given)) values.set('cpu.iam', true)
  const hasNetwork = ['gpu', 'train', 'bulk'].some((stack) => stacks.includes(stack))
  if (hasNetwork && !values.has('vpc.id') && !values.has('network.layout')) {
    values.set('network.layout', stacks.includes('gpu') ? '1-nat' : '1-public')
  }
  return values
}

/** Whether values say how callers of the endpoint on Lambda are known. */
export function saysAccess(values: DeploymentValues): boolean {
  const isOn = values.get('cpu.iam') === true || values.get('cpu.open') === true
  return isOn || values.has('cpu.keys') || values.has('cpu.jwt.issuer')
}

/** Values as a deployment file has them: nested by the dots of their keys, in the order of the table. */
export function nestValues(values: DeploymentValues): Record<string, unknown> {
  const root: Record<string, unknown> = {}
  for (const { key } of ROWS) {
    const value = values.get(key as SettingKey)
    if (value === undefined) continue
    const names = key.split('.')
    const last = names.pop() as string
    let group = root
    for (const name of names) {
      group[name] ??= {}
      group = group[name] as Record<string, unknown>
    }
    group[last] = value
  }
  return root
}
