import { isModelName } from '../lib/text/model-address.ts'
import { quote } from '../lib/text/text.ts'
import { MODELS_PREFIX, parseStateKey, parseVersionKey } from './records/names.ts'
import { type BlobOptions, type BlobStore, FOLDER_FAULT } from './stores/blob-store.ts'

/** A model of which a record cannot be read. */
export interface BrokenModel {
  /** As it is written in the store; not always a name that a model may have. */
  readonly name: string
  readonly reason: string
}

/** Where the records of models lie. */
export interface ListedRecords {
  /** All version numbers by model, deleted ones too; none of names out of bounds. */
  readonly versions: ReadonlyMap<string, readonly number[]>
  /** Models with a state. */
  readonly states: readonly string[]
  /** Why, by model, for models of which nothing can be read: a name out of bounds, a folder in place of the state. */
  readonly faults: ReadonlyMap<string, string>
  /** Why, by model, for versions in whose place something else lies. */
  readonly versionFaults: ReadonlyMap<string, string>
}

/** Finds all records of all models, or of one, from one listing. Nothing is read. */
export async function listRecords(
  store: BlobStore,
  name: string | undefined,
  { signal }: BlobOptions = {},
): Promise<ListedRecords> {
  const versions = new Map<string, number[]>()
  const states: string[] = []
  const faults = new Map<string, string>()
  const versionFaults = new Map<string, string>()
  const prefix = name === undefined ? MODELS_PREFIX : `${MODELS_PREFIX}${name}/`
  for await (const { key, fault } of store.list(prefix, { strays: true, signal })) {
    const version = parseVersionKey(key)
    const model = version?.name ?? parseStateKey(key) ?? (fault && modelOfStray(key, fault))
    if (!model) continue
    if (!isModelName(model)) {
      faults.set(model, `${MODELS_PREFIX}${model}: ${describeName(model)}`)
      continue
    }
    // Its number is taken, whatever lies there.
    if (version !== null) addNumber(versions, version)
    if (fault !== undefined) {
      const kind = version === null ? faults : versionFaults
      if (!kind.has(model)) kind.set(model, `cannot read ${key} in ${store.url}: ${fault}`)
    } else if (version === null) states.push(model)
  }
  return { versions, states, faults, versionFaults }
}

function addNumber(
  versions: Map<string, number[]>,
  { name, version }: { name: string; version: number },
): void {
  const numbers = versions.get(name)
  if (numbers === undefined) versions.set(name, [version])
  else numbers.push(version)
}

function describeName(name: string): string {
  return `${quote(name)} is not a model name; rename or remove the folder`
}

/** The model of a folder or link that hides records; null for folders as they should be, and for what is no record. */
function modelOfStray(key: string, fault: string): string | null {
  if (fault === FOLDER_FAULT) return null
  const [, model, part, ...rest] = key.split('/')
  return model && (part === undefined || (part === 'versions' && rest.length === 0)) ? model : null
}
