import { randomUUID } from 'node:crypto'
import { type Clock, systemClock } from '../lib/clock.ts'
import { EspalierError } from '../lib/errors.ts'
import { type Logger, silentLogger } from '../lib/logger.ts'
import { CHAMPION } from '../lib/text/model-address.ts'
import { quote } from '../lib/text/text.ts'
import { adoptVersion } from './adopt.ts'
import { collectGarbage } from './collect-garbage.ts'
import { buryVersion, eraseBlobs } from './delete-version.ts'
import { type IndexEntry, noteInIndex, replaceIndex } from './index-hint.ts'
import type { BrokenModel } from './list-records.ts'
import { publish } from './publish.ts'
import { createReader } from './reader.ts'
import type { ModelState } from './records/state.ts'
import {
  type ChangeNote,
  markDeleted,
  promote,
  removeAlias,
  rollback,
  setShadow,
  setTraffic,
  type Transition,
} from './records/transitions.ts'
import { scanModels } from './scan.ts'
import { swapState } from './state-store.ts'
import type { BlobOptions, BlobStore } from './stores/blob-store.ts'
import type { ChangeOptions, Origin, Registry } from './types.ts'
import { verifyRegistry } from './verify.ts'
import { listNumbers, readVersion } from './versions.ts'

const DAY_MS = 86_400_000
const MAX_BY_LENGTH = 200
const MAX_REASON_LENGTH = 500

export interface RegistryOptions {
  readonly origin?: Origin | undefined
  readonly clock?: Clock | undefined
  readonly logger?: Logger | undefined
  /** Makes what tells one publication or change from all others. */
  readonly newId?: (() => string) | undefined
}

/** A registry on a store; it keeps nothing in memory, so any number of them may share a store. */
export function openRegistry(store: BlobStore, options: RegistryOptions = {}): Registry {
  const { origin = 'registry', clock = systemClock, logger = silentLogger } = options
  const { newId = randomUUID } = options
  const reader = createReader(store, { origin, logger })

  const noteFor = ({ id, by, reason }: ChangeOptions): ChangeNote => {
    checkLength('by', by, MAX_BY_LENGTH)
    checkLength('reason', reason, MAX_REASON_LENGTH)
    const at = new Date(clock.wallMs()).toISOString()
    return { id: id ?? newId(), at, ...(by && { by }), ...(reason && { reason }) }
  }
  /** The change itself is done: a hint that cannot be written now is left to the next sweep. */
  const noteIndex = async (name: string, entry: () => Promise<IndexEntry>, to: BlobOptions) => {
    try {
      await noteInIndex(store, name, await entry(), { signal: to.signal })
    } catch (error) {
      logger.warn({ model: name, err: error }, 'index not updated; the next sweep repairs it')
    }
  }
  const latestEntry = async (state: ModelState, signal: BlobOptions): Promise<IndexEntry> => {
    const latest = (await listNumbers(store, state.name, signal)).at(-1)
    const found = latest && (await readVersion(store, state.name, latest, signal))
    if (!found) throw new EspalierError('model_not_found', `${state.name} has no version`)
    return { kind: found.record.kind, latest, revision: state.revision }
  }
  /** Changes a state that may name these versions, each of which must exist. */
  const change = async (
    name: string,
    transition: Transition,
    versions: readonly number[],
    to: ChangeOptions,
  ): Promise<ModelState> => {
    const note = noteFor(to)
    const signal = { signal: to.signal }
    for (const version of versions) await reader.getVersion(name, version, signal)
    if (versions.length === 0 && (await reader.listVersions(name, signal)).length === 0) {
      throw new EspalierError('model_not_found', `no model ${quote(name)} in ${store.url}`)
    }
    const { state, changed } = await swapState(store, name, transition, note, signal)
    if (changed) await noteIndex(name, () => latestEntry(state, signal), signal)
    return state
  }

  return {
    ...reader,
    async publish(request, { signal, onProgress } = {}) {
      const { manifest, created } = await publish(request, {
        store,
        clock,
        newId,
        signal,
        onProgress,
      })
      const { name, kind, version: latest } = manifest
      await noteIndex(name, async () => ({ kind, latest, revision: 0 }), { signal })
      return { version: { ...manifest, origin }, created }
    },
    async promote(name, version, to = {}) {
      return change(name, promote(to.alias ?? CHAMPION, version, to.ifCurrent), [version], to)
    },
    async rollback(name, to = {}) {
      return change(name, rollback(to.alias ?? CHAMPION, to.ifCurrent), [], to)
    },
    async removeAlias(name, alias, to = {}) {
      return change(name, removeAlias(alias), [], to)
    },
    async setTraffic(name, traffic, to = {}) {
      const versions = traffic?.map(({ version }) => version) ?? []
      return change(name, setTraffic(traffic), versions, to)
    },
    async setShadow(name, shadow, to = {}) {
      return change(name, setShadow(shadow), shadow === null ? [] : [shadow.version], to)
    },
    async deleteVersion(name, version, { graceMs = DAY_MS, ...to } = {}) {
      const manifest = await reader.getVersion(name, version, to)
      await change(name, markDeleted(version), [], to)
      await buryVersion(store, manifest, noteFor(to), to)
      const cutoffMs = graceMs > 0 ? clock.wallMs() - graceMs : Number.POSITIVE_INFINITY
      return eraseBlobs(manifest, { store, clock, newId, cutoffMs, signal: to.signal })
    },
    async adopt(source, version, to) {
      const adoption = await adoptVersion(source, version, to, { store, clock, newId })
      const { name, kind } = version
      if (adoption.status === 'copied') {
        const entry = { kind, latest: adoption.version, revision: 0 }
        await noteIndex(name, async () => entry, { signal: to.signal })
      }
      return adoption
    },
    collectGarbage: (options) => collectGarbage(options, { store, clock, newId }),
    verify: (options) => verifyRegistry(store, options),
    async rebuildIndex(to = {}) {
      const before = await reader.readIndex(to).catch(() => null)
      const broken = new Set<string>()
      const onBroken = ({ name, reason }: BrokenModel) => {
        broken.add(name)
        logger.warn(
          { model: name, reason },
          'model not readable; the index says of it what it said',
        )
      }
      const scanned = await scanModels(store, onBroken, to)
      const index = before?.status === 'found' ? before.index : null
      await replaceIndex(store, scanned, index, broken, to)
    },
    async checkWritable(name, to) {
      await store.checkWritable?.(name, to)
    },
    close: () => store.close(),
  }
}

function checkLength(field: string, value: string | undefined, limit: number): void {
  if (value === undefined || value.length <= limit) return
  throw new EspalierError(
    'invalid_data',
    `${field} has ${value.length} characters; at most ${limit}`,
  )
}
