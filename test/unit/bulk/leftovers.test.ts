import { spawnSync } from 'node:child_process'
import { mkdir, readdir, utimes, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { openBulkFolder } from '../../../shared/bulk/folder.ts'
import { temporaryName } from '../../../shared/dataset/atomic-file.ts'
import { useScratch } from '../registry/scratch.ts'

const scratch = useScratch()

it('takes away the temporary files of dead workers, and of no others', async () => {
  const folder = await scratch()
  await mkdir(join(folder, 'sub'))
  const dead = String(spawnSync(process.execPath, ['-e', '']).pid)
  const nameOf = (name: string, pid = String(process.pid)) =>
    temporaryName(name).replace(`.${process.pid}-`, `.${pid}-`)
  const own = nameOf('a.jsonl')
  const other = nameOf('notes.txt', dead)
  const young = '.a.jsonl.0123456789ab.tmp'
  const old = '._job.json.0123456789ab.tmp'
  const gone = nameOf('a.jsonl', dead)
  for (const name of [own, other, young, gone, old]) await writeFile(join(folder, name), 'half')
  await writeFile(join(folder, 'sub', nameOf('b.jsonl', dead)), 'half')
  const hours = Date.now() / 1000 - 2 * 3_600
  await utimes(join(folder, old), hours, hours)
  const place = openBulkFolder(folder, folder, undefined)
  await place.removeLeftovers!(['_job.json', 'a.jsonl', 'sub/b.jsonl', 'missing/c.jsonl'])
  expect((await readdir(folder)).sort()).toEqual([other, young, own, 'sub'].sort())
  expect(await readdir(join(folder, 'sub'))).toEqual([])
})
