import { EspalierError } from '../../lib/errors.ts'
import { CHAMPION } from '../../lib/text/model-address.ts'
import { checkAlias, checkVersion } from './names.ts'
import {
  type Change,
  describeUse,
  MAX_ALIASES,
  MAX_DELETED,
  MAX_HISTORY,
  MAX_TRAFFIC_VERSIONS,
  type ModelState,
  type Shadow,
  type Traffic,
  versionOfAlias,
} from './state.ts'

/** Who changes a state, when and why; `id` is new for every change. */
export type ChangeNote = Pick<Change, 'id' | 'at' | 'by' | 'reason'>

/** A pure step from one state to the next; the same object where nothing is to change. */
export type Transition = (state: ModelState, note: ChangeNote) => ModelState

/**
 * Points an alias at a version. Promoting `champion` ends a traffic split, which would hide it.
 * With `ifCurrent` only if the alias now means that version (null: nothing).
 */
export function promote(
  alias: string,
  version: number,
  ifCurrent?: number | null | undefined,
): Transition {
  checkAlias(alias)
  checkVersion(version)
  return (state, note) => {
    const from = versionOfAlias(state, alias)
    checkCurrent(state, alias, ifCurrent)
    checkAlive(state, version)
    const traffic = alias === CHAMPION ? null : state.traffic
    if (from === version && traffic === state.traffic) return state
    if (from === null && Object.keys(state.aliases).length >= MAX_ALIASES) {
      throw new EspalierError('invalid_data', `${state.name} has ${MAX_ALIASES} aliases already`)
    }
    const aliases = { ...state.aliases, [alias]: version }
    const change: Change = { ...note, action: 'promote', alias, from, to: version }
    return advance(state, { aliases, traffic }, change)
  }
}

/**
 * Points an alias at what it meant before its last promotion; again, at what it meant before that.
 * With `ifCurrent` only if the alias now means that version.
 */
export function rollback(alias: string, ifCurrent?: number | undefined): Transition {
  checkAlias(alias)
  return (state, note) => {
    const from = versionOfAlias(state, alias)
    checkCurrent(state, alias, ifCurrent)
    const to = versionBefore(state, alias)
    if (to === null) {
      throw new EspalierError(
        'version_not_found',
        `${state.name}@${alias} has no earlier version to roll back to`,
      )
    }
    checkAlive(state, to)
    const aliases = { ...state.aliases, [alias]: to }
    const traffic = alias === CHAMPION ? null : state.traffic
    return advance(state, { aliases, traffic }, { ...note, action: 'rollback', alias, from, to })
  }
}

/** Takes an alias away, so that its version can be deleted. */
export function removeAlias(alias: string): Transition {
  checkAlias(alias)
  return (state, note) => {
    const from = versionOfAlias(state, alias)
    if (from === null) return state
    const { [alias]: _, ...aliases } = state.aliases
    return advance(state, { aliases }, { ...note, action: 'remove', alias, from, to: null })
  }
}

/** Splits the requests for the unqualified name; null ends the split. */
export function setTraffic(traffic: Traffic | null): Transition {
  if (traffic !== null) checkTraffic(traffic)
  return (state, note) => {
    for (const { version } of traffic ?? []) checkAlive(state, version)
    if (JSON.stringify(traffic) === JSON.stringify(state.traffic)) return state
    return advance(state, { traffic }, { ...note, action: 'traffic', traffic })
  }
}

/** Lets a version score a sample of requests in the background; null ends it. */
export function setShadow(shadow: Shadow | null): Transition {
  if (shadow !== null) {
    checkVersion(shadow.version)
    if (!(shadow.samplePercent > 0 && shadow.samplePercent <= 100)) {
      throw new EspalierError(
        'invalid_data',
        `shadow sample ${shadow.samplePercent} %: more than 0 and at most 100`,
      )
    }
  }
  return (state, note) => {
    if (shadow !== null) checkAlive(state, shadow.version)
    if (JSON.stringify(shadow) === JSON.stringify(state.shadow)) return state
    return advance(state, { shadow }, { ...note, action: 'shadow', shadow })
  }
}

/** Marks a version as deleted, which no later promotion can undo; refused while the state uses it. */
export function markDeleted(version: number): Transition {
  checkVersion(version)
  return (state, note) => {
    if (state.deleted.includes(version)) return state
    const use = describeUse(state, version)
    if (use !== null) {
      throw new EspalierError(
        'version_conflict',
        `${state.name}@v${version} is in use by ${use}; move that first`,
      )
    }
    const deleted = [...state.deleted, version].sort((a, b) => a - b).slice(-MAX_DELETED)
    return advance(state, { deleted }, { ...note, action: 'delete', from: version, to: null })
  }
}

/** The state after a change, which also notes the split and the shadow that it replaced or ended. */
function advance(state: ModelState, changes: Partial<ModelState>, change: Change): ModelState {
  const next = { ...state, ...changes, revision: state.revision + 1 }
  const trafficBefore = next.traffic !== state.traffic && state.traffic
  const shadowBefore = next.shadow !== state.shadow && state.shadow
  const noted: Change = {
    ...change,
    ...(trafficBefore && { trafficBefore }),
    ...(shadowBefore && { shadowBefore }),
  }
  return { ...next, history: [...state.history, noted].slice(-MAX_HISTORY) }
}

/** Walks back over the history, in which every rollback undoes one move before it. */
function versionBefore(state: ModelState, alias: string): number | null {
  let undone = 0
  for (const change of state.history.toReversed()) {
    if (change.alias !== alias) continue
    if (change.action === 'rollback') undone++
    else if (change.from === change.to) continue
    else if (undone > 0) undone--
    else return change.from ?? null
  }
  return null
}

/** @throws EspalierError `version_conflict` where an alias means another version than it is to mean (null: nothing) */
function checkCurrent(
  state: ModelState,
  alias: string,
  ifCurrent: number | null | undefined,
): void {
  const current = versionOfAlias(state, alias)
  if (ifCurrent === undefined || current === ifCurrent) return
  throw new EspalierError(
    'version_conflict',
    `${state.name}@${alias} is ${describe(current)}, not ${describe(ifCurrent)}; nothing was changed`,
  )
}

function checkAlive(state: ModelState, version: number): void {
  if (!state.deleted.includes(version)) return
  throw new EspalierError('version_not_found', `${state.name}@v${version} was deleted`)
}

function checkTraffic(traffic: Traffic): void {
  const invalid = (why: string) => new EspalierError('invalid_data', `traffic: ${why}`)
  if (traffic.length < 1 || traffic.length > MAX_TRAFFIC_VERSIONS) {
    throw invalid(`1 to ${MAX_TRAFFIC_VERSIONS} versions, not ${traffic.length}`)
  }
  let total = 0
  for (const { version, percent } of traffic) {
    checkVersion(version)
    if (!Number.isInteger(percent) || percent < 1 || percent > 100) {
      throw invalid(`v${version} has ${percent} %; a whole number from 1 to 100`)
    }
    total += percent
  }
  if (new Set(traffic.map(({ version }) => version)).size < traffic.length) {
    throw invalid('a version is named twice')
  }
  if (total !== 100) throw invalid(`the shares add up to ${total} %, not 100`)
}

function describe(version: number | null): string {
  return version === null ? 'not set' : `v${version}`
}
