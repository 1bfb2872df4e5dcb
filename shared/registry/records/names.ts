import { EspalierError } from '../../lib/errors.ts'
import { isAlias, isModelName } from '../../lib/text/model-address.ts'
import { quote } from '../../lib/text/text.ts'

/** The largest version number. */
export const MAX_VERSION = 999_999_999

/** @throws EspalierError `invalid_name` */
export function checkModelName(name: string): void {
  if (isModelName(name)) return
  throw new EspalierError(
    'invalid_name',
    `model name ${quote(name)}: 1 to 63 characters of a-z, 0-9, ".", "_" and "-", starting with a letter or digit, without ".."`,
    { param: 'name' },
  )
}

/** @throws EspalierError `invalid_name` */
export function checkAlias(alias: string): void {
  if (isAlias(alias)) return
  throw new EspalierError(
    'invalid_name',
    `alias ${quote(alias)}: 1 to 63 characters of a-z, 0-9 and "-", starting with a letter, and not like a version`,
    { param: 'alias' },
  )
}

/** @throws EspalierError `invalid_name` */
export function checkVersion(version: number): void {
  if (Number.isInteger(version) && version >= 1 && version <= MAX_VERSION) return
  throw new EspalierError(
    'invalid_name',
    `version ${version}: a whole number from 1 to ${MAX_VERSION}`,
    { param: 'version' },
  )
}

/** Where every model's objects lie. */
export const MODELS_PREFIX = 'models/'
/** Where files lie under their hash. */
export const BLOBS_PREFIX = 'blobs/sha256/'
/** Where whoever removes blobs says which ones, while it does. */
export const SWEEPS_PREFIX = 'sweeps/'
/** The hint that tells which models changed. */
export const INDEX_KEY = 'index.json'

/** The object of a file's content. */
export function blobKey(sha256: string): string {
  return `${BLOBS_PREFIX}${sha256}`
}

/** The manifest of a version: creating it is the commit point. */
export function versionKey(name: string, version: number): string {
  checkModelName(name)
  checkVersion(version)
  return `${MODELS_PREFIX}${name}/versions/${version}.json`
}

/** Aliases, traffic and history of a model. */
export function stateKey(name: string): string {
  checkModelName(name)
  return `${MODELS_PREFIX}${name}/state.json`
}

/** The version that an idempotency key is bound to; keyed by the hash of what the caller chose. */
export function requestKey(name: string, idempotencyHash: string): string {
  checkModelName(name)
  return `${MODELS_PREFIX}${name}/requests/${idempotencyHash}.json`
}

/** The record of one sweep; gone when the sweep is over. */
export function sweepKey(id: string): string {
  return `${SWEEPS_PREFIX}${id}.json`
}

const VERSION_KEY = /^models\/([^/]+)\/versions\/([1-9][0-9]{0,8})\.json$/

/** Model and version of a manifest's key; null for every other key. */
export function parseVersionKey(key: string): { name: string; version: number } | null {
  const match = VERSION_KEY.exec(key)
  return match ? { name: match[1]!, version: Number(match[2]) } : null
}

const STATE_KEY = /^models\/([^/]+)\/state\.json$/

/** Model of a state's key; null for every other key. */
export function parseStateKey(key: string): string | null {
  return STATE_KEY.exec(key)?.[1] ?? null
}

const BLOB_KEY = /^blobs\/sha256\/([0-9a-f]{64})$/

/** The hash that a blob's key names; null for every other key. */
export function parseBlobKey(key: string): string | null {
  return BLOB_KEY.exec(key)?.[1] ?? null
}
