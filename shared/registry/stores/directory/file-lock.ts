import { randomBytes } from 'node:crypto'
import { link, lstat, readdir, readFile, readlink, rm, stat, writeFile } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { EspalierError } from '../../../lib/errors.ts'
import {
  checkLiveness,
  identifyProcess,
  type ProcessIdentity,
} from '../../../lib/process-identity.ts'
import { systemCode } from '../../../lib/system-errors.ts'

/** How long to wait for a lock before giving up. */
const WAIT_MS = 30_000
/** A holder that cannot be looked at is presumed dead after holding this long under our eyes. */
const PRESUME_DEAD_MS = 15_000
/** A holder that was held up this long must not write any more: others may presume it dead. */
const HOLD_LIMIT_MS = 5_000
/** A candidate's file that is older was left by a process that died: nobody waits that long for a lock. */
const CANDIDATE_STALE_MS = 3_600_000
/** What Windows answers for a name whose file is being removed: neither there nor free yet. */
const BEING_REMOVED = new Set(['EPERM', 'EACCES', 'EBUSY'])

export interface LockOptions {
  readonly signal?: AbortSignal | undefined
  /** How long to wait, in milliseconds; 30 s by default. */
  readonly waitMs?: number | undefined
  /** When a holder elsewhere counts as dead, in milliseconds; 15 s by default, longer than any holds. */
  readonly presumeDeadMs?: number | undefined
}

interface Owner extends ProcessIdentity {
  readonly nonce: string
}

interface Held {
  /** The lock itself, then the claims on dead owners that lead to this holder. */
  readonly paths: readonly string[]
}

/**
 * Runs an action while no other process runs one under the same lock. The lock is a file that names its owner:
 * written under another name and then linked, it appears whole, in one call. A dead owner's lock is inherited by
 * creating a claim named after that owner's nonce, which only one process can do; the lock is never removed and
 * made anew, so that nobody can remove a living one by mistake. Version 0.1.0 made locks that are symbolic links
 * with the owner as target: they are read as well. `checkHeld` throws where the action was held up for too long.
 * @throws EspalierError `registry_unavailable` after waiting in vain, naming the lock and its owner
 */
export async function withFileLock<T>(
  path: string,
  action: (checkHeld: () => void) => Promise<T>,
  options: LockOptions = {},
): Promise<T> {
  const held = await acquire(path, options)
  const since = performance.now()
  try {
    return await action(() => {
      if (performance.now() - since > HOLD_LIMIT_MS) {
        throw new EspalierError('registry_unavailable', `held up while holding ${path}; try again`)
      }
    })
  } finally {
    // The lock goes first: a claim is void once its lock is gone, never before.
    for (const link of held.paths) await rm(link, { force: true })
  }
}

async function acquire(
  path: string,
  { signal, waitMs = WAIT_MS, presumeDeadMs = PRESUME_DEAD_MS }: LockOptions,
): Promise<Held> {
  signal?.throwIfAborted()
  const self: Owner = { ...identifyProcess(), nonce: randomBytes(12).toString('hex') }
  const candidate = `${path}~${self.nonce}`
  try {
    await writeFile(candidate, JSON.stringify(self), { flag: 'wx' })
    return await compete(path, self, candidate, { signal, waitMs, presumeDeadMs })
  } finally {
    await rm(candidate, { force: true })
  }
}

async function compete(
  path: string,
  self: Owner,
  candidate: string,
  { signal, waitMs, presumeDeadMs }: LockOptions & { waitMs: number; presumeDeadMs: number },
): Promise<Held> {
  const started = performance.now()
  let watched = { nonce: '', since: 0 }
  for (let attempt = 0; ; attempt++) {
    signal?.throwIfAborted()
    if (await createLink(candidate, path)) return { paths: [path] }
    const chain = await readChain(path)
    if (chain !== null) {
      const { owner, last, first, paths } = chain
      const now = performance.now()
      if (watched.nonce !== owner.nonce) watched = { nonce: owner.nonce, since: now }
      const liveness = checkLiveness(owner, self)
      if (liveness === 'dead' || (liveness === 'unknown' && now - watched.since > presumeDeadMs)) {
        if (!(await createLink(candidate, last))) continue
        // The chain still stands: nobody released the lock between our look and our claim.
        if ((await readOwner(path))?.nonce === first) return { paths: [...paths, last] }
        await rm(last, { force: true })
        continue
      }
      if (now - started > waitMs) throw timeoutError(path, owner, waitMs)
    }
    await sleep(1 + Math.random() * Math.min(50, 2 ** Math.min(attempt, 6)), undefined, { signal })
  }
}

/** The present owner at the end of the claims, and the path of the claim on it; null for a free lock. */
async function readChain(path: string) {
  const root = await readOwner(path)
  if (root === null) return null
  const paths = [path]
  let owner = root
  while (true) {
    const last = `${path}.${root.nonce}.${owner.nonce}`
    const heir = await readOwner(last)
    if (heir === null) return { owner, last, first: root.nonce, paths }
    paths.push(last)
    owner = heir
  }
}

/** False where the name is taken: the one that links first has it. */
async function createLink(candidate: string, path: string): Promise<boolean> {
  try {
    await link(candidate, path)
    return true
  } catch (error) {
    if (systemCode(error) === 'EEXIST' || isBeingRemoved(error)) return false
    throw error
  }
}

/** Who is named there; null for nobody, and where it changes under our eyes, so that the caller looks again. */
async function readOwner(path: string): Promise<Owner | null> {
  try {
    const found = await lstat(path)
    const text = found.isSymbolicLink() ? await readlink(path) : await readFile(path, 'utf8')
    return parseOwner(text) ?? { ...NOBODY, nonce: `torn${found.ino}` }
  } catch (error) {
    // EINVAL: a lock of version 0.1.0 was there a moment ago, and now there is another one.
    if (['ENOENT', 'EINVAL'].includes(systemCode(error) ?? '') || isBeingRemoved(error)) return null
    throw error
  }
}

/** The owner of a lock that a power failure left without its content: dead, as that machine restarted. */
const NOBODY: ProcessIdentity = { host: '', boot: '', namespace: '', pid: 0, start: '' }

function parseOwner(text: string): Owner | null {
  try {
    const owner = JSON.parse(text)
    return typeof owner?.nonce === 'string' ? owner : null
  } catch {
    return null
  }
}

function isBeingRemoved(error: unknown): boolean {
  return process.platform === 'win32' && BEING_REMOVED.has(systemCode(error) ?? '')
}

function timeoutError(path: string, owner: Owner, waitMs: number): EspalierError {
  return new EspalierError(
    'registry_unavailable',
    `${path} has been held by process ${owner.pid} on ${owner.host} for over ${waitMs / 1000} s; remove it if that process is gone`,
  )
}

/** Removes claims whose lock is gone, and old candidates: left by processes that died at the wrong moment. */
export async function removeVoidClaims(folder: string): Promise<void> {
  for (const name of await readdir(folder)) {
    const path = join(folder, name)
    if (name.includes('~')) {
      const found = await stat(path).catch(() => null)
      const stale = found !== null && Date.now() - found.mtimeMs > CANDIDATE_STALE_MS
      if (stale) await rm(path, { force: true })
      continue
    }
    const [lock, first, last] = name.split('.')
    if (lock === undefined || first === undefined || last === undefined) continue
    // A nonce never comes back, so a claim on a lock that is not there now is void for good.
    const root = await readOwner(join(folder, basename(lock)))
    if (root?.nonce !== first) await rm(path, { force: true })
  }
}
