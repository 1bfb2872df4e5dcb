import { randomBytes } from 'node:crypto'
import { type FileHandle, open, readdir, realpath, rm, stat } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { isTagOfDead, processTag } from '../lib/process-identity.ts'
import { replaceFile } from '../lib/replace-file.ts'
import { explainFault, systemCode } from '../lib/system-errors.ts'
import type { ByteSink } from './byte-sink.ts'
import { dataError } from './data-error.ts'

/** A file that appears whole or not at all. */
export interface AtomicFile extends ByteSink {
  /** Overwrites bytes already written. */
  patch(bytes: Uint8Array, position: number): Promise<void>
}

/**
 * Opens a file to be written beside its name and renamed at the end; a file that is there stays until then.
 * What is no ordinary file (a pipe, /dev/null) is written directly.
 * @throws EspalierError `invalid_data` where the folder is missing or not writable
 */
export async function openAtomicFile(path: string): Promise<AtomicFile> {
  // A link keeps pointing where it points.
  const target = await realpath(path).catch(() => path)
  const info = await stat(target).catch(() => null)
  if (info?.isDirectory()) throw dataError(path, null, 'this is a folder; name a file')
  const direct = info !== null && !info.isFile()
  const temporary = direct ? target : join(dirname(target), temporaryName(basename(target)))
  const handle = await open(temporary, direct ? 'w' : 'wx').catch((cause: unknown) => {
    throw dataError(path, null, explainFailure(cause), cause)
  })
  return new RenamedFile(path, target, direct ? null : temporary, handle)
}

/** Longest part of a file's own name in that of its temporary file: names have 255 bytes at most. */
const MAX_OWN_LENGTH = 120
const TEMPORARY = /^\.(.+)\.(?:([0-9]+-[0-9]*-[0-9a-f]{12})-)?[0-9a-f]{12}\.tmp$/
/** One that nobody wrote to for this long was left by a process that died, on whatever machine. */
const STALE_MS = 3_600_000

/** A name for a temporary file beside another; it tells whose it is. */
export function temporaryName(name: string): string {
  return `.${cutName(name)}.${processTag()}-${randomBytes(6).toString('hex')}.tmp`
}

/** Removes temporary files of these names from a folder that dead processes left there. */
export async function removeStaleFiles(folder: string, names: Iterable<string>): Promise<void> {
  const ours = new Set([...names].map(cutName))
  for (const entry of await readdir(folder).catch(() => [])) {
    const [, own, tag] = TEMPORARY.exec(entry) ?? []
    if (own === undefined || !ours.has(own)) continue
    const path = join(folder, entry)
    const info = await stat(path).catch(() => null)
    if (info === null) continue
    const isDead = tag !== undefined && isTagOfDead(tag)
    if (isDead || Date.now() - info.mtimeMs > STALE_MS) await rm(path, { force: true })
  }
}

function cutName(name: string): string {
  return Array.from(name).slice(0, MAX_OWN_LENGTH).join('')
}

class RenamedFile implements AtomicFile {
  readonly #path: string
  readonly #target: string
  readonly #temporary: string | null
  readonly #handle: FileHandle
  #open = true
  #committed = false

  constructor(path: string, target: string, temporary: string | null, handle: FileHandle) {
    this.#path = path
    this.#target = target
    this.#temporary = temporary
    this.#handle = handle
  }

  async write(bytes: Uint8Array): Promise<void> {
    await this.#guard(() => this.#handle.writeFile(bytes))
  }

  async patch(bytes: Uint8Array, position: number): Promise<void> {
    await this.#guard(() => this.#handle.write(bytes, 0, bytes.length, position))
  }

  async commit(): Promise<void> {
    await this.#guard(async () => {
      if (this.#temporary !== null) await this.#handle.sync()
      await this.#close()
      if (this.#temporary !== null) await replaceFile(this.#temporary, this.#target)
      this.#committed = true
    })
  }

  async discard(): Promise<void> {
    if (this.#committed) return
    await this.#close()
    if (this.#temporary !== null) await rm(this.#temporary, { force: true })
  }

  async #close(): Promise<void> {
    if (!this.#open) return
    this.#open = false
    await this.#handle.close()
  }

  async #guard(action: () => Promise<unknown>): Promise<void> {
    try {
      await action()
    } catch (cause) {
      throw dataError(this.#path, null, explainFailure(cause), cause)
    }
  }
}

function explainFailure(cause: unknown): string {
  const code = systemCode(cause)
  if (code === 'ENOENT') return 'its folder does not exist'
  if (code === 'EACCES' || code === 'EPERM') return 'not writable: permission denied'
  if (code === 'ENOSPC') return 'the disk is full'
  return `cannot be written: ${explainFault(cause)}`
}
