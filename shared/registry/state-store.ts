import { setTimeout as sleep } from 'node:timers/promises'
import { EspalierError } from '../lib/errors.ts'
import { stateKey } from './records/names.ts'
import {
  decodeState,
  emptyState,
  encodeState,
  MAX_STATE_BYTES,
  type ModelState,
} from './records/state.ts'
import type { ChangeNote, Transition } from './records/transitions.ts'
import type { BlobOptions, BlobStore } from './stores/blob-store.ts'

/** Attempts at one change before giving up; each one lost means that another writer's change landed. */
const MAX_ATTEMPTS = 40

export interface ReadOptions extends BlobOptions {
  /** The tag of what the caller has: the answer is then `not_modified` where it is still that. */
  readonly etag?: string | null | undefined
}

export type StateReading =
  | { readonly status: 'found'; readonly state: ModelState; readonly etag: string }
  | { readonly status: 'not_modified' }
  | { readonly status: 'missing' }

/** Reads what the names of a model mean; `missing` for a model that nobody promoted, and for none at all. */
export async function readState(
  store: BlobStore,
  name: string,
  options: ReadOptions = {},
): Promise<StateReading> {
  const found = await store.get(stateKey(name), {
    maxBytes: MAX_STATE_BYTES,
    ifNoneMatch: options.etag ?? undefined,
    signal: options.signal,
  })
  if (found.status !== 'found') return found
  const state = decodeState(found.body, { url: store.url, name })
  return { status: 'found', state, etag: found.etag }
}

/**
 * Changes the state of a model by compare-and-swap, anew on what others wrote meanwhile.
 * @throws EspalierError whatever the transition throws, `version_conflict` after too many lost attempts
 */
export async function swapState(
  store: BlobStore,
  name: string,
  transition: Transition,
  note: ChangeNote,
  options: BlobOptions = {},
): Promise<{ state: ModelState; changed: boolean }> {
  for (let attempt = 1; attempt <= MAX_ATTEMPTS; attempt++) {
    const reading = await readState(store, name, options)
    const state = reading.status === 'found' ? reading.state : emptyState(name)
    // A write whose answer was lost looks like a conflict, but it is this very change.
    if (state.history.some(({ id }) => id === note.id)) return { state, changed: true }
    const next = transition(state, note)
    if (next === state) return { state, changed: false }
    const body = encodeState(next)
    const written =
      reading.status === 'found'
        ? await store.putIfMatch(stateKey(name), body, reading.etag, options)
        : await store.putIfAbsent(stateKey(name), body, options)
    if (written.status === 'created' || written.status === 'replaced') {
      return { state: next, changed: true }
    }
    await pause(attempt, options.signal)
  }
  throw new EspalierError(
    'version_conflict',
    `the state of ${name} changed ${MAX_ATTEMPTS} times while it was to be changed; try again`,
  )
}

/** Waits before another attempt, longer and more randomly each time: at most 250 ms. */
export async function pause(attempt: number, signal?: AbortSignal | undefined): Promise<void> {
  try {
    await sleep(Math.random() * Math.min(250, 4 * 2 ** attempt), undefined, { signal })
  } catch (error) {
    signal?.throwIfAborted()
    throw error
  }
}
