import type { Encoder } from '../../encoder/types.ts'
import type { EncoderLease, EncoderPools, EncoderSource } from '../../encoders/encoder-pools.ts'
import type { EncoderSources } from '../../encoders/encoder-sources.ts'
import { EspalierError } from '../../lib/errors.ts'
import {
  CHAMPION,
  formatModelVersion,
  type ModelAddress,
  parseModelAddress,
} from '../../lib/text/model-address.ts'
import { versionOfAlias } from '../../registry/records/state.ts'
import { type EncoderDirectory, type EncoderEntry, findModel } from '../models.ts'
import type { LiveEncoders } from './live-encoders.ts'
import { brokenModel } from './resolve-classifiers.ts'

/** Encoders of this machine have one version. */
const BUILTIN_VERSION = 1

/** What the directory of live encoders works with. */
export interface LiveDirectoryOptions {
  readonly encoders: LiveEncoders
  readonly pools: EncoderPools
  readonly sources: EncoderSources
  /** When encoders of this machine are said to have been created, Unix seconds. */
  readonly startedSeconds: number
  /** Why a model of the registry cannot be read. */
  readonly faultOf: (name: string) => string | undefined
  /** Looks at the registry where that is due; awaited by requests. */
  readonly revalidate: () => Promise<void>
}

/** The encoders of a process by name: the default one, and those of the registry, opened as they are asked for. */
export function createLiveDirectory(options: LiveDirectoryOptions): EncoderDirectory {
  const { encoders, pools, sources, startedSeconds } = options
  const { manifests } = encoders

  /** The default first, then the most recently used of each other name. */
  function listOpen(): Encoder[] {
    const named = new Map<string, Encoder>([[encoders.current.info.name, encoders.current]])
    for (const encoder of pools.open().toReversed()) {
      if (!named.has(encoder.info.name)) named.set(encoder.info.name, encoder)
    }
    return [...named.values()]
  }

  function describe({ info }: Encoder): EncoderEntry {
    const followed = manifests.find(info.name)
    const version = manifests.peek(info.name, info.version)
    const isFollowed = version && pools.peek(sources.ofVersion(version)) !== null
    const own = isFollowed ? followed : undefined
    const createdAt = own && version?.createdAt
    return {
      kind: 'embedding',
      info,
      versions: own?.versions ?? [info.version],
      aliases: own?.state.aliases ?? { [CHAMPION]: info.version },
      createdSeconds: createdAt ? Math.floor(Date.parse(createdAt) / 1000) : startedSeconds,
    }
  }

  /** The version that an address means, by what is served now; the default where it means that. */
  function choose(address: string): { name: string; version: number } | Encoder {
    const { name, selector } = parseModelAddress(address)
    const { current } = encoders
    if (name === current.info.name.toLowerCase() && isMeant(selector, current.info.version))
      return current
    const followed = manifests.find(name)
    if (!followed) {
      const fault = options.faultOf(name)
      if (fault !== undefined) throw brokenModel(name, fault, 'model')
      const open = findModel(listOpen(), name)
      if (isMeant(selector, open.info.version)) return open
      throw notFound(address, name, open.info)
    }
    if (selector.kind === 'version') return { name, version: selector.version }
    const alias = selector.kind === 'alias' ? selector.alias : CHAMPION
    const version = versionOfAlias(followed.state, alias)
    if (version !== null) return { name, version }
    throw new EspalierError(
      'version_not_found',
      `${name} has no ${alias}; its latest version is v${followed.versions.at(-1)}`,
      { param: 'model' },
    )
  }

  /** A built-in encoder that the registry does not shadow and that is not open. */
  async function findClosed(address: string): Promise<EncoderSource | null> {
    const { name, selector } = parseModelAddress(address)
    if (manifests.find(name) || listOpen().some(({ info }) => info.name.toLowerCase() === name)) {
      return null
    }
    const source = await sources.ofBuiltin(name)
    if (!source || isMeant(selector, BUILTIN_VERSION)) return source
    throw notFound(address, name, { name, version: BUILTIN_VERSION })
  }

  const directory: EncoderDirectory = {
    resolve(address) {
      if (address === undefined) return encoders.current
      const chosen = choose(address)
      if ('info' in chosen) return chosen
      const version = manifests.peek(chosen.name, chosen.version)
      const open = version && pools.peek(sources.ofVersion(version))
      if (open) return open
      const message = `${formatModelVersion(chosen)} is not loaded; a request that names it loads it`
      throw new EspalierError('version_not_found', message, { param: 'model' })
    },
    async acquire(address): Promise<EncoderLease> {
      await options.revalidate()
      const builtin = address === undefined ? null : await findClosed(address)
      if (builtin) return encoders.acquire(builtin)
      const chosen = address === undefined ? encoders.current : choose(address)
      if ('info' in chosen) return encoders.hold(chosen)
      const version = await manifests.get(chosen.name, chosen.version)
      if (version) return encoders.acquire(sources.ofVersion(version))
      throw new EspalierError('model_not_found', `there is no model "${chosen.name}"`, {
        param: 'model',
      })
    },
    list: () => listOpen().map(describe),
    open: () => pools.open(),
    stats: () => ({ bytes: pools.bytes, refused: encoders.refusals }),
  }
  return directory
}

/** True where a selector means the only version there is. */
function isMeant(selector: ModelAddress['selector'], version: number): boolean {
  if (selector.kind === 'default') return true
  if (selector.kind === 'alias') return selector.alias === CHAMPION
  return selector.version === version
}

function notFound(
  address: string,
  name: string,
  there: { readonly name: string; readonly version: number },
): EspalierError {
  const message = `there is no "${address}"; "${name}" has ${formatModelVersion(there)} (${CHAMPION})`
  return new EspalierError('version_not_found', message, { param: 'model' })
}
