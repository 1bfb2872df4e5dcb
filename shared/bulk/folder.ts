import { link, mkdir, opendir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { basename, dirname, join, relative, resolve, sep } from 'node:path'
import { openAtomicFile, removeStaleFiles, temporaryName } from '../dataset/atomic-file.ts'
import { dataError } from '../dataset/data-error.ts'
import { formatFromName, readFileChunks } from '../dataset/source.ts'
import type { DataFormat } from '../dataset/types.ts'
import { type BulkFile, type BulkPlace, MAX_FILES } from './place.ts'

/** Opens a folder, or a single file of rows. */
export function openBulkFolder(
  url: string,
  path: string,
  format: DataFormat | undefined,
): BulkPlace {
  const root = resolve(path)
  const at = (name: string): string => join(root, ...name.split('/'))
  return {
    url,
    async list(signal) {
      const info = await stat(root).catch((cause: unknown) => {
        throw dataError(url, null, 'no such file or folder', cause)
      })
      if (!info.isDirectory()) return [{ name: basename(root), bytes: info.size }]
      return listFiles(url, root, signal)
    },
    open({ name }) {
      // Of a single file the root is the file itself.
      const isRoot = basename(root) === name
      const shown = isRoot ? url : `${url.replace(/\/$/, '')}/${name}`
      const file = isRoot ? root : at(name)
      return {
        name: shown,
        format: format ?? formatFromName(name),
        repeatable: true,
        path: file,
        open: (signal) => readFileChunks(shown, file, signal),
      }
    },
    has: (name) => exists(at(name)),
    async readText(name) {
      return readFile(at(name), 'utf8').catch((error: unknown) => {
        if (codeOf(error) === 'ENOENT') return null
        throw dataError(url, null, `${name} cannot be read: ${explain(error)}`, error)
      })
    },
    async createText(name, text) {
      await makeFolder(url, dirname(at(name)))
      const temporary = join(root, temporaryName(name))
      try {
        await writeFile(temporary, text, { flush: true })
        // A link is made once, whoever tries; a rename would replace.
        await link(temporary, at(name))
        return 'created'
      } catch (error) {
        if (codeOf(error) === 'EEXIST') return 'exists'
        throw dataError(url, null, `${name} cannot be written: ${explain(error)}`, error)
      } finally {
        await rm(temporary, { force: true })
      }
    },
    async create(name) {
      const target = at(name)
      await makeFolder(url, dirname(target))
      const file = await openAtomicFile(target)
      return {
        write: (bytes) => file.write(bytes),
        patch: (bytes, position) => file.patch(bytes, position),
        // Another worker's file of this name has the same rows: replacing it changes nothing.
        async commit() {
          await file.commit()
          return 'created'
        },
        discard: () => file.discard(),
      }
    },
    async removeLeftovers(names) {
      const byFolder = new Map<string, string[]>()
      for (const name of names) {
        const folder = dirname(at(name))
        byFolder.set(folder, [...(byFolder.get(folder) ?? []), basename(name)])
      }
      for (const [folder, own] of byFolder) await removeStaleFiles(folder, own)
    },
    async close() {},
  }
}

async function listFiles(url: string, root: string, signal: AbortSignal): Promise<BulkFile[]> {
  const files: BulkFile[] = []
  for await (const entry of await opendir(root, { recursive: true })) {
    signal.throwIfAborted()
    const path = join(entry.parentPath, entry.name)
    const info = await stat(path).catch(() => null)
    if (!info?.isFile()) continue
    if (files.length === MAX_FILES) throw dataError(url, null, `more than ${MAX_FILES} files`)
    files.push({ name: relative(root, path).split(sep).join('/'), bytes: info.size })
  }
  return files.sort((a, b) => (a.name < b.name ? -1 : 1))
}

async function makeFolder(url: string, folder: string): Promise<void> {
  await mkdir(folder, { recursive: true }).catch((cause: unknown) => {
    throw dataError(url, null, `the folder cannot be made: ${explain(cause)}`, cause)
  })
}

async function exists(path: string): Promise<boolean> {
  return (await stat(path).catch(() => null)) !== null
}

function explain(error: unknown): string {
  const code = codeOf(error)
  if (code === 'ENOTDIR' || code === 'EEXIST') return 'a part of its path is a file'
  if (code === 'EACCES' || code === 'EPERM') return 'permission denied'
  if (code === 'ENOSPC') return 'the disk is full'
  return error instanceof Error ? error.message : String(error)
}

function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : ''
}
