import { randomBytes } from 'node:crypto'
import { readdir, readlink, rm, symlink } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { EspalierError } from '../../../lib/errors.ts'
import { systemCode } from '../folders.ts'
import { checkLiveness, identifyProcess, type ProcessIdentity } from './process-identity.ts'

/** How long to wait for a lock before giving up. */
const WAIT_MS = 30_000
/** A holder that cannot be looked at is presumed dead after holding this long under our eyes. */
const PRESUME_DEAD_MS = 15_000
/** A holder that was held up this long must not write any more: others may presume it dead. */
const HOLD_LIMIT_MS = 5_000

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
 * Runs an action while no other process runs one under the same lock. The lock is a symbolic link whose target
 * names its owner: it appears whole, in one call. A dead owner's lock is inherited by creating a claim named
 * after that owner's nonce, which only one process can do; the lock is never removed and made anew, so that
 * nobody can remove a living one by mistake. `checkHeld` throws where the action was held up for too long.
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
  const self: Owner = { ...identifyProcess(), nonce: randomBytes(12).toString('hex') }
  const started = performance.now()
  let watched = { nonce: '', since: 0 }
  for (let attempt = 0; ; attempt++) {
    signal?.throwIfAborted()
    if (await createLink(self, path)) return { paths: [path] }
    const chain = await readChain(path)
    if (chain !== null) {
      const { owner, last, first, paths } = chain
      const now = performance.now()
      if (watched.nonce !== owner.nonce) watched = { nonce: owner.nonce, since: now }
      const liveness = checkLiveness(owner, self)
      if (liveness === 'dead' || (liveness === 'unknown' && now - watched.since > presumeDeadMs)) {
        if (!(await createLink(self, last))) continue
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

async function createLink(owner: Owner, path: string): Promise<boolean> {
  try {
    await symlink(JSON.stringify(owner), path)
    return true
  } catch (error) {
    if (systemCode(error) === 'EEXIST') return false
    throw error
  }
}

async function readOwner(path: string): Promise<Owner | null> {
  try {
    return JSON.parse(await readlink(path)) as Owner
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return null
    throw error
  }
}

function timeoutError(path: string, owner: Owner, waitMs: number): EspalierError {
  return new EspalierError(
    'registry_unavailable',
    `${path} has been held by process ${owner.pid} on ${owner.host} for over ${waitMs / 1000} s; remove it if that process is gone`,
  )
}

/** Removes claims whose lock is gone: left by processes that died while they released it. */
export async function removeVoidClaims(folder: string): Promise<void> {
  for (const name of await readdir(folder)) {
    const [lock, first, last] = name.split('.')
    if (lock === undefined || first === undefined || last === undefined) continue
    // A nonce never comes back, so a claim on a lock that is not there now is void for good.
    const root = await readOwner(join(folder, basename(lock)))
    if (root?.nonce !== first) await rm(join(folder, name), { force: true })
  }
}
