import { EspalierError } from '../lib/errors.ts'
import type { Logger } from '../lib/logger.ts'
import { CHAMPION, type ModelAddress, parseModelAddress } from '../lib/text/model-address.ts'
import { quote } from '../lib/text/text.ts'
import { hint, say, task } from '../lib/wording.ts'
import { fetchBlob, fetchLayout } from './file-cache.ts'
import { readIndex } from './index-hint.ts'
import type { BrokenModel } from './list-records.ts'
import type { ManifestFile, VersionManifest } from './records/manifest.ts'
import { blobKey, checkModelName } from './records/names.ts'
import { emptyState, type ModelState, versionOfAlias } from './records/state.ts'
import { chooseVersion } from './records/traffic.ts'
import { isUnreadable, scanModels } from './scan.ts'
import { readState } from './state-store.ts'
import { type BlobOptions, type BlobStore, hashMismatchError } from './stores/blob-store.ts'
import { hashBytes } from './stores/transfer.ts'
import type {
  Origin,
  RegistryReader,
  RegistryVersion,
  ResolvedModel,
  ResolveOptions,
} from './types.ts'
import { listNumbers, readVersion } from './versions.ts'

/** The reading half of a registry on a store. */
export function createReader(
  store: BlobStore,
  { origin, logger }: { origin: Origin; logger: Logger },
): RegistryReader {
  const listVersions = async (name: string, options: BlobOptions = {}) => {
    const numbers = await listNumbers(store, name, options)
    if (numbers.length === 0) return []
    const { deleted } = await currentState(store, name, options)
    return numbers.filter((number) => !deleted.includes(number))
  }
  const getVersion = async (name: string, version: number, options: BlobOptions = {}) => {
    let found = await readVersion(store, name, version, options)
    if (found === null) {
      const versions = await listVersions(name, options)
      // Another publisher may have created it between the two looks.
      if (versions.includes(version)) found = await readVersion(store, name, version, options)
      if (found === null) throw notFound(name, `v${version}`, versions, store.url)
    }
    if ('deleted' in found.record) {
      const when = found.record.deleted.at
      throw new EspalierError('version_not_found', `${name}@v${version} was deleted at ${when}`)
    }
    return { ...found.record, origin }
  }
  const resolve = async (
    given: string | ModelAddress,
    options: ResolveOptions = {},
  ): Promise<ResolvedModel> => {
    const { name, selector } = typeof given === 'string' ? parseModelAddress(given) : given
    checkModelName(name)
    if (selector.kind === 'version') {
      await getVersion(name, selector.version, options)
      return { name, version: selector.version, alias: null, via: 'version' }
    }
    const alias = selector.kind === 'alias' ? selector.alias : CHAMPION
    const state = await currentState(store, name, options)
    if (selector.kind === 'default') {
      const chosen = chooseVersion(state, options.routeKey)
      if (chosen !== null) {
        return { name, ...chosen, alias: chosen.via === 'alias' ? CHAMPION : null }
      }
    }
    const version = versionOfAlias(state, alias)
    if (version === null) {
      throw notFound(name, alias, await listVersions(name, options), store.url)
    }
    return { name, version, alias, via: 'alias' }
  }
  return {
    url: store.url,
    origin,
    listVersions,
    getVersion,
    resolve,
    async listModels(options = {}) {
      const warn = ({ name, reason }: BrokenModel) =>
        logger.warn({ model: name, reason }, 'model not readable')
      const models = await scanModels(store, options.onBroken ?? warn, options)
      return models.map((model) => ({ ...model, origin }))
    },
    readState: (name, options) => readState(store, name, options),
    readIndex: (options) => readIndex(store, options),
    fetchFile(version, path, folder, options) {
      const label = `${path} of ${version.name}@v${version.version}`
      return fetchBlob(store, findFile(version, path), label, folder, options)
    },
    fetchFiles(version, folder, options) {
      const files = options?.paths?.map((path) => findFile(version, path)) ?? version.files
      return fetchLayout(store, version, files, folder, options)
    },
    readFile: (version, path, options) => readVerified(store, version, path, options),
    markFiles: (version, options) => markFiles(store, version, options),
  }
}

async function currentState(
  store: BlobStore,
  name: string,
  { signal }: BlobOptions,
): Promise<ModelState> {
  const reading = await readState(store, name, { signal })
  return reading.status === 'found' ? reading.state : emptyState(name)
}

function notFound(
  name: string,
  wanted: string,
  versions: readonly number[],
  url: string,
): EspalierError {
  const latest = versions.at(-1)
  if (latest === undefined) {
    return new EspalierError('model_not_found', `no model ${quote(name)} in ${url}`)
  }
  const promote = task('promote', `${name}@v${latest}`, { alias: wanted })
  const fix = /^v[0-9]/.test(wanted) ? '' : hint(say`, and ${promote} would set it`)
  return new EspalierError(
    'version_not_found',
    say`${name} has no ${wanted}; its latest version is v${latest}${fix}`,
  )
}

function findFile(version: VersionManifest, path: string): ManifestFile {
  const file = version.files.find((candidate) => candidate.path === path)
  if (file !== undefined) return file
  const paths = version.files.map((candidate) => candidate.path).join(', ')
  throw new EspalierError(
    'invalid_data',
    `${version.name}@v${version.version} has no file ${quote(path)}; it has ${paths}`,
  )
}

async function readVerified(
  store: BlobStore,
  version: RegistryVersion,
  path: string,
  options: BlobOptions & { readonly maxBytes: number },
): Promise<Uint8Array> {
  const file = findFile(version, path)
  const label = `${path} of ${version.name}@v${version.version}`
  if (file.bytes > options.maxBytes) {
    throw new EspalierError(
      'artifact_corrupt',
      `${label} has ${file.bytes} bytes; at most ${options.maxBytes}`,
    )
  }
  const key = blobKey(file.sha256)
  const found = await store.get(key, { maxBytes: file.bytes, signal: options.signal })
  if (found.status !== 'found') {
    throw new EspalierError('artifact_corrupt', `${label}: ${key} is missing in ${store.url}`)
  }
  const hash = hashBytes(found.body)
  if (hash !== file.sha256) throw hashMismatchError(`${label} in ${store.url}`, file.sha256, hash)
  return found.body
}

/** A file that cannot be looked at is marked by the reason. */
async function markFiles(
  store: BlobStore,
  { files }: VersionManifest,
  options: BlobOptions = {},
): Promise<string> {
  const marks: string[] = []
  for (const { sha256 } of files) {
    try {
      const info = await store.head(blobKey(sha256), options)
      marks.push(info === null ? 'missing' : `${info.etag} ${info.modifiedAt.getTime()}`)
    } catch (error) {
      if (!isUnreadable(error)) throw error
      marks.push(error.message)
    }
  }
  return marks.join('\n')
}
