import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { z } from 'zod'
import { EspalierError, printError } from '../lib/errors.ts'
import { findJsonFault } from '../lib/json/json-fault.ts'
import { nearestName } from '../lib/text/nearest.ts'
import { quote } from '../lib/text/text.ts'
import { option, say, type Wording } from '../lib/wording.ts'
import { describeType, type Setting, type SettingValue, schemaOfSettings } from './setting-types.ts'
import { SETTINGS, type SettingKey } from './settings.ts'

/** The name that a deployment file has unless another one is given. */
export const DEPLOYMENT_FILE = 'espalier.deploy.json'

const MAX_CHARACTERS = 1_048_576
const ENVIRONMENT = /^[a-z][a-z0-9-]{0,31}$/
const ROWS: readonly Setting[] = SETTINGS

const fileSchema = schemaOfSettings(SETTINGS, false).extend({
  $schema: z.string().optional(),
  environments: z
    .record(z.string().regex(ENVIRONMENT), schemaOfSettings(SETTINGS, true))
    .optional(),
})

/** Values by key, as the file has them; null takes away what the file says for all. */
type Values = ReadonlyMap<SettingKey, SettingValue | null>

/** What the schema lets through: settings, and what is said of them. */
interface FileContent {
  readonly $schema?: string
  readonly environments?: Readonly<Record<string, object>>
}

/** What one deployment is told by its file. */
export interface Deployment {
  readonly path: string
  /** Null for a file without environments. */
  readonly environment: string | null
  readonly values: ReadonlyMap<SettingKey, SettingValue>
}

/** The first of these folders that has a deployment file, by the path of the file. */
export function findDeploymentFile(folders: readonly string[]): string | null {
  const paths = folders.map((folder) => join(folder, DEPLOYMENT_FILE))
  return paths.find((path) => readText(path) !== null) ?? null
}

/** Reads a deployment file. @throws EspalierError `invalid_config` naming file, place and fix */
export function readDeployment(path: string, environment?: string): Deployment {
  const text = readText(path)
  if (text === null) return fail(path, 'there is no such file')
  return parseDeployment(path, text, environment)
}

/** As `readDeployment`, for a text that is, or is to be, in the file. */
export function parseDeployment(path: string, text: string, environment?: string): Deployment {
  const { common, environments } = parseFile(path, text)
  const all = new Map([...environments].map(([name, own]) => [name, merge(common, own)]))
  checkNames(path, all)
  const name = chooseEnvironment(path, [...all.keys()], environment)
  return { path, environment: name, values: name === null ? merge(common) : all.get(name)! }
}

/** The environments of a file. @throws EspalierError `invalid_config` */
export function listEnvironments(path: string, text: string): string[] {
  return [...parseFile(path, text).environments.keys()]
}

/**
 * The environment that is meant: the one that is named, else the only one, null where there is none.
 * @throws EspalierError `invalid_config` listing them
 */
export function chooseEnvironment(
  path: string,
  names: readonly string[],
  wanted: string | undefined,
): string | null {
  const list = names.join(', ')
  if (wanted === undefined) {
    if (names.length < 2) return names[0] ?? null
    return fail(path, say`it has the environments ${list}; name one: ${option('environment')}`)
  }
  if (names.includes(wanted)) return wanted
  const what = names.length === 0 ? 'it has no environments' : `there are ${list}`
  return fail(path, `${quote(wanted)} is no environment; ${what}`)
}

/** The message of an error of this room, where `-c key=value` says what to read; null for another error. */
export function printForContext(error: unknown): string | null {
  if (!(error instanceof EspalierError)) return null
  const surface = {
    option: ({ name, value = '…' }: { name: string; value?: string }) => `-c ${name}=${value}`,
    task: () => null,
  }
  return printError(error, surface)
}

function readText(path: string): string | null {
  try {
    return readFileSync(path, 'utf8')
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code === 'ENOENT' || code === 'ENOTDIR') return null
    return fail(path, `it cannot be read: ${code ?? String(error)}`)
  }
}

function parseFile(path: string, text: string) {
  if (text.length > MAX_CHARACTERS) return fail(path, 'it is larger than 1 MiB')
  const fault = findJsonFault(text)
  if (fault !== null) {
    const line = text.slice(0, fault.position).split('\n').length
    const message = `this is not JSON; expected is ${fault.expected}`
    throw new EspalierError('invalid_config', message, { place: { source: path, line } })
  }
  const parsed = fileSchema.safeParse(JSON.parse(text))
  if (!parsed.success) return fail(path, describeIssue(parsed.error.issues[0]!, JSON.parse(text)))
  const { environments = {}, $schema: _, ...common } = parsed.data as FileContent
  return {
    common: flatten(common),
    environments: new Map(Object.entries(environments).map(([name, own]) => [name, flatten(own)])),
  }
}

function flatten(values: object, prefix = ''): Values {
  const found = new Map<SettingKey, SettingValue | null>()
  for (const [name, value] of Object.entries(values)) {
    const key = prefix + name
    const isGroup = value !== null && typeof value === 'object' && !Array.isArray(value)
    if (!isGroup) found.set(key as SettingKey, value)
    else for (const [inner, each] of flatten(value, `${key}.`)) found.set(inner, each)
  }
  return found
}

function merge(...layers: readonly Values[]): Map<SettingKey, SettingValue> {
  const merged = new Map<SettingKey, SettingValue>()
  for (const [key, value] of layers.flatMap((layer) => [...layer])) {
    if (value === null) merged.delete(key)
    else merged.set(key, value)
  }
  return merged
}

/** Two environments with the same stacks in the same place would take each other's for theirs. */
function checkNames(path: string, all: ReadonlyMap<string, ReadonlyMap<SettingKey, SettingValue>>) {
  const seen = new Map<string, string>()
  for (const [environment, values] of all) {
    const name = values.get('name') ?? 'Espalier'
    const region = values.get('region') ?? 'the default region'
    const place = `${name} in ${region}${values.has('account') ? ` of ${values.get('account')}` : ''}`
    const other = seen.get(place)
    if (other !== undefined) {
      fail(path, `${other} and ${environment} are both ${place}; give one another "name"`)
    }
    seen.set(place, environment)
  }
}

/** The first fault as one line: where, what, and what it must be. */
function describeIssue(issue: z.core.$ZodIssue, file: unknown): Wording | string {
  const names = issue.path.map(String)
  const inEnvironment = names[0] === 'environments' && names.length > 1
  const outer = inEnvironment ? `environments.${names[1]}.` : ''
  const place = inEnvironment ? names.slice(2) : names
  if (issue.code === 'unrecognized_keys') {
    const key = [...place, issue.keys[0] ?? ''].join('.')
    return `${outer}${key} is no setting; ${suggest(key)}`
  }
  const value = names.reduce<unknown>((at, name) => (at as Record<string, unknown>)?.[name], file)
  const said = `${outer}${place.join('.')} is ${quote(JSON.stringify(value) ?? '').slice(1, -1)}`
  const row = ROWS.find(({ key }) => `${place.join('.')}.`.startsWith(`${key}.`))
  if (row) return `${said.replaceAll('\\"', '"')}; it must be ${describeType(row.type)}`
  if (issue.code === 'invalid_key') {
    return `environments has ${quote(names.at(-1) ?? '')}; a name is up to 32 lower-case letters, digits and -`
  }
  return `${said.replaceAll('\\"', '"')}; it must be an object of settings, such as {"cpu": {"memory": 1769}}`
}

function suggest(key: string): string {
  const keys = ROWS.filter(({ ofCommand }) => !ofCommand).map((row) => row.key)
  // A key that is written with its dots is known, and lies in the wrong place.
  if (keys.includes(key)) return `write its parts inside each other, ${nest(key)}`
  const nearest = nearestName(key, keys)
  if (nearest !== null) return `did you mean ${nearest}?`
  const [group] = key.split('.')
  const near = keys.filter((each) => each.split('.')[0] === group)
  return `there are ${(near.length > 0 ? near : keys).join(', ')}`
}

function nest(key: string): string {
  return key.split('.').reduceRight((inner, name) => `{"${name}": ${inner}}`, '…')
}

function fail(path: string, message: string | Wording): never {
  throw new EspalierError('invalid_config', message, { place: { source: path } })
}
