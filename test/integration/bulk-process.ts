import type { ChildProcess } from 'node:child_process'
import { createHash } from 'node:crypto'
import { mkdir, readdir, readFile, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { expect } from 'vitest'
import { finish } from './finish-process.ts'

/** A command line in a process of its own. */
export type StartBulk = (...argv: string[]) => ChildProcess

/** Rows for one worker to be killed over: files of so many texts. */
export async function writeShards(
  folder: string,
  shape: { readonly files: number; readonly rows: number },
): Promise<string> {
  await mkdir(folder, { recursive: true })
  for (let file = 0; file < shape.files; file++) {
    const lines = Array.from({ length: shape.rows }, (_, row) => {
      const text = row % 100 === 7 ? 7 : `the cat sat on mat number ${row * 7 + file} in the rain`
      return `${JSON.stringify({ id: `${file}/${row}`, text })}\n`
    })
    await writeFile(join(folder, `part-${file}.jsonl`), lines.join(''))
  }
  return folder
}

/** Names and hashes of all results, without what a killed worker left under a temporary name. */
export async function hashResults(folder: string): Promise<Record<string, string>> {
  const names = (await readdir(folder)).filter((name) => !name.endsWith('.tmp')).sort()
  const hashes: Record<string, string> = {}
  for (const name of names) {
    hashes[name] = createHash('sha256')
      .update(await readFile(join(folder, name)))
      .digest('hex')
  }
  return hashes
}

/** Bytes of all files of a folder, or without temporary ones. */
export async function countBytes(folder: string, { whole = false } = {}): Promise<number> {
  const all = await readdir(folder).catch(() => [])
  const names = all.filter((name) => !whole || !name.endsWith('.tmp'))
  const sizes = await Promise.all(
    names.map((name) =>
      stat(join(folder, name)).then(
        ({ size }) => size,
        () => 0,
      ),
    ),
  )
  return sizes.reduce((sum, size) => sum + size, 0)
}

/**
 * Kills a worker some times, each once it has written a random number of bytes, and lets the last one end: what is
 * there then must be what a worker writes that nobody kills.
 */
export async function killWorkers(
  times: number,
  start: StartBulk,
  input: string,
  folders: { readonly whole: string; readonly killed: string },
  random: { below(limit: number): number },
): Promise<void> {
  const argv = (output: string) => ['bulk', input, '--output', output, '-q']
  expect(await finish(start(...argv(folders.whole)))).toMatchObject({ code: 0, stderr: '' })
  const wanted = await hashResults(folders.whole)
  const share = Math.floor((await countBytes(folders.whole)) / (times + 2))
  let kills = 0
  while (kills < times) {
    // A worker begins by removing what the last one left half done.
    const before = await countBytes(folders.killed, { whole: true })
    const threshold = random.below(share)
    const child = start(...argv(folders.killed))
    const ended = finish(child)
    let isRunning = true
    void ended.then(() => {
      isRunning = false
    })
    while (isRunning && (await countBytes(folders.killed)) - before <= threshold) await pause(1)
    child.kill('SIGKILL')
    const { code, signal } = await ended
    // On a busy machine a worker may be done before it is looked at.
    if (code === 0) break
    expect(signal).toBe('SIGKILL')
    kills++
    const found = await hashResults(folders.killed)
    // What shows is whole, at any time.
    for (const [name, hash] of Object.entries(found))
      expect([name, hash]).toEqual([name, wanted[name]])
  }
  expect(kills).toBeGreaterThanOrEqual(times / 2)
  expect(await finish(start(...argv(folders.killed)))).toMatchObject({ code: 0, stderr: '' })
  expect(await hashResults(folders.killed)).toEqual(wanted)
}
