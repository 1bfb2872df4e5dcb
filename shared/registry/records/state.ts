import { z } from 'zod'
import { isAlias, isModelName } from '../../lib/text/model-address.ts'
import { MAX_VERSION, stateKey } from './names.ts'
import { decodeRecord, encodeRecord } from './record.ts'

/** The newest schema number of states that this program writes and reads. */
export const STATE_SCHEMA = 1
/** Largest state, in bytes. */
export const MAX_STATE_BYTES = 1024 * 1024
/** Most aliases of one model. */
export const MAX_ALIASES = 32
/** Most versions that share a model's traffic. */
export const MAX_TRAFFIC_VERSIONS = 8
/** Changes that are remembered; rollback reaches no further back. */
export const MAX_HISTORY = 200
/** Deleted versions that are remembered here; older ones keep their tombstones only. */
export const MAX_DELETED = 10_000

const version = z.int().min(1).max(MAX_VERSION)
const alias = z.string().refine(isAlias, 'not an alias')

const trafficSchema = z
  .array(z.object({ version, percent: z.int().min(1).max(100) }))
  .min(1)
  .max(MAX_TRAFFIC_VERSIONS)
/** Shares of the requests for the unqualified name; they add up to 100. */
export type Traffic = z.infer<typeof trafficSchema>

const shadowSchema = z.object({ version, samplePercent: z.number().gt(0).max(100) })
/** A version that scores a sample of requests without answering them. */
export type Shadow = z.infer<typeof shadowSchema>

const changeSchema = z.object({
  /** Differs between any two changes: tells a writer whether its own write landed. */
  id: z.string().min(1).max(100),
  at: z.iso.datetime(),
  action: z.enum(['promote', 'rollback', 'remove', 'traffic', 'shadow', 'delete']),
  /** The alias that moved, for promote, rollback and remove. */
  alias: alias.optional(),
  from: version.nullable().optional(),
  to: version.nullable().optional(),
  traffic: trafficSchema.nullable().optional(),
  shadow: shadowSchema.nullable().optional(),
  /** What this change replaced or ended, where it did. */
  trafficBefore: trafficSchema.optional(),
  shadowBefore: shadowSchema.optional(),
  reason: z.string().max(500).optional(),
  by: z.string().max(200).optional(),
})
/** One line of the history. */
export type Change = z.infer<typeof changeSchema>

const stateSchema = z.object({
  schema: z.literal(STATE_SCHEMA),
  name: z.string().refine(isModelName, 'not a model name'),
  /** Grows by one with every change; an ETag alone cannot tell A, B, A from A. */
  revision: z.int().min(0),
  aliases: z.record(alias, version),
  traffic: trafficSchema.nullable(),
  shadow: shadowSchema.nullable(),
  /** Versions that are being, or have been, deleted, ascending: no alias may move to them. */
  deleted: z.array(version).max(MAX_DELETED),
  /** Oldest first. */
  history: z.array(changeSchema).max(MAX_HISTORY),
})
/** What the names of a model mean at a moment. */
export type ModelState = z.infer<typeof stateSchema>

/** The state of a model that nobody promoted. */
export function emptyState(name: string): ModelState {
  return {
    schema: STATE_SCHEMA,
    name,
    revision: 0,
    aliases: {},
    traffic: null,
    shadow: null,
    deleted: [],
    history: [],
  }
}

/** @throws EspalierError `unsupported_schema`, `artifact_corrupt` */
export function decodeState(body: Uint8Array, expected: { url: string; name: string }): ModelState {
  const source = { url: expected.url, key: stateKey(expected.name) }
  const same = stateSchema.refine(({ name }) => name === expected.name, 'of another model')
  return decodeRecord(same, STATE_SCHEMA, body, source)
}

/** @throws EspalierError `invalid_data` where it is too large */
export function encodeState(state: ModelState): Uint8Array {
  return encodeRecord(state, MAX_STATE_BYTES, `state of ${state.name}`)
}

/** The version an alias points at, or null. */
export function versionOfAlias(state: ModelState, alias: string): number | null {
  // Own properties only: `constructor` is an alias like any other.
  return Object.hasOwn(state.aliases, alias) ? state.aliases[alias]! : null
}

/** How a state uses a version: `alias champion`, `traffic`, `shadow`; null where it does not. */
export function describeUse(state: ModelState, version: number): string | null {
  const alias = Object.keys(state.aliases).find((name) => state.aliases[name] === version)
  if (alias !== undefined) return `alias ${alias}`
  if (state.traffic?.some((share) => share.version === version)) return 'traffic'
  return state.shadow?.version === version ? 'shadow' : null
}
