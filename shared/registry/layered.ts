import { EspalierError, isEspalierError } from '../lib/errors.ts'
import { parseModelAddress } from '../lib/text/model-address.ts'
import type { IndexReading } from './index-hint.ts'
import type { BrokenModel } from './list-records.ts'
import type { ModelSummary, Registry, RegistryReader, RegistryVersion } from './types.ts'

/**
 * Lays built-in models under a user's registry. A user's model of the same name shadows the built-in one, all
 * its versions and aliases; changes go to the user's registry.
 */
export function layerRegistry(user: Registry, builtin: RegistryReader): Registry {
  if (user.origin === builtin.origin) throw new Error('the two layers need different origins')
  /** The user's answer, else the built-in one where the user has no such model. */
  const fallBack = async <T>(ask: (reader: RegistryReader) => Promise<T>): Promise<T> => {
    try {
      return await ask(user)
    } catch (error) {
      if (!isEspalierError(error, 'model_not_found')) throw error
      return ask(builtin).catch((below) => {
        throw isEspalierError(below, 'model_not_found') ? error : below
      })
    }
  }
  const holderOf = (version: RegistryVersion) =>
    version.origin === builtin.origin ? builtin : user
  /** Says why a built-in model cannot be changed, where the user's registry only knows that it has none. */
  const guarded = async <T>(name: string, change: () => Promise<T>): Promise<T> => {
    try {
      return await change()
    } catch (error) {
      const missing =
        isEspalierError(error, 'model_not_found') || isEspalierError(error, 'version_not_found')
      if (!missing || (await user.listVersions(name)).length > 0) throw error
      if ((await builtin.listVersions(name)).length === 0) throw error
      throw new EspalierError(
        'version_conflict',
        `${name} is built in and cannot be changed; publish a version of your own under that name first`,
        { cause: error },
      )
    }
  }
  return {
    url: user.url,
    origin: user.origin,
    async listModels(options) {
      const models = new Map<string, ModelSummary>()
      for (const model of await builtin.listModels(options)) models.set(model.name, model)
      const onBroken = (model: BrokenModel) => {
        // A model of the user's is not silently another one where it cannot be read.
        models.delete(model.name)
        options?.onBroken?.(model)
      }
      const own = await user.listModels(options?.onBroken ? { ...options, onBroken } : options)
      for (const model of own) models.set(model.name, model)
      return [...models.values()].sort((a, b) => (a.name < b.name ? -1 : 1))
    },
    async listVersions(name, options) {
      const versions = await user.listVersions(name, options)
      return versions.length > 0 ? versions : builtin.listVersions(name, options)
    },
    getVersion: (name, version, options) =>
      fallBack((reader) => reader.getVersion(name, version, options)),
    async readState(name, options) {
      const reading = await user.readState(name, options)
      if (reading.status === 'not_modified') return reading
      if (reading.status === 'found' && Object.keys(reading.state.aliases).length > 0)
        return reading
      const below = await builtin.readState(name, options)
      if (below.status === 'missing') return reading
      // Also a model that was only published, or deleted, has to be told from none.
      const shadowed = (await user.listVersions(name, { signal: options?.signal })).length > 0
      return shadowed ? reading : below
    },
    async readIndex(options) {
      const [above, below] = [await user.readIndex(options), await builtin.readIndex()]
      if (above.status === 'not_modified' || below.status !== 'found') return above
      if (above.status === 'missing') {
        return options?.etag === below.etag ? { status: 'not_modified' } : below
      }
      return mergeIndexes(above, below)
    },
    resolve(given, options) {
      const address = typeof given === 'string' ? parseModelAddress(given) : given
      return fallBack((reader) => reader.resolve(address, options))
    },
    fetchFile: (version, ...rest) => holderOf(version).fetchFile(version, ...rest),
    fetchFiles: (version, ...rest) => holderOf(version).fetchFiles(version, ...rest),
    readFile: (version, ...rest) => holderOf(version).readFile(version, ...rest),
    markFiles: (version, ...rest) => holderOf(version).markFiles(version, ...rest),
    builtin,
    publish: (request, options) => user.publish(request, options),
    promote: (name, ...rest) => guarded(name, () => user.promote(name, ...rest)),
    rollback: (name, ...rest) => guarded(name, () => user.rollback(name, ...rest)),
    removeAlias: (name, ...rest) => guarded(name, () => user.removeAlias(name, ...rest)),
    setTraffic: (name, ...rest) => guarded(name, () => user.setTraffic(name, ...rest)),
    setShadow: (name, ...rest) => guarded(name, () => user.setShadow(name, ...rest)),
    deleteVersion: (name, ...rest) => guarded(name, () => user.deleteVersion(name, ...rest)),
    adopt: (...given) => user.adopt(...given),
    collectGarbage: (options) => user.collectGarbage(options),
    verify: (options) => user.verify(options),
    checkWritable: (...given) => user.checkWritable(...given),
    rebuildIndex: (options) => user.rebuildIndex(options),
    close: () => user.close(),
  }
}

/** The built-in layer never changes while a process runs, so the user's tag tells all there is to tell. */
function mergeIndexes(
  above: IndexReading & { status: 'found' },
  below: IndexReading & { status: 'found' },
): IndexReading {
  const models = { ...below.index.models, ...above.index.models }
  return { ...above, index: { ...above.index, models } }
}
