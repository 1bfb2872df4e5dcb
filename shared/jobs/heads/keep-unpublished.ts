import { cp, mkdir, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import type { Clock } from '../../lib/clock.ts'
import { EspalierError, isEspalierError, restate } from '../../lib/errors.ts'
import { HEAD_FILE } from '../../lib/manifests/head-header.ts'
import { explainFault } from '../../lib/system-errors.ts'
import { hint, say, task, type Wording } from '../../lib/wording.ts'
import { ANSWERS_FILE, REPORT_FILES } from '../../versions/head-version.ts'
import type { ReportFiles } from './request.ts'

/** What is kept where it cannot be published. */
export interface Unpublished {
  /** Of the model that it was to be a version of. */
  readonly name: string
  /** Files by their path, or a folder that is copied. */
  readonly content: Readonly<Record<string, Uint8Array | string>> | string
}

/** Where it is kept. */
export interface Keeper {
  readonly clock: Pick<Clock, 'wallMs'>
  readonly unpublishedFolder?: string | undefined
}

/**
 * Publishes; where that fails, keeps what was to be published, so that the work is not lost, and says so.
 * @throws EspalierError of the registry, with where the files are and how they are published; what a signal throws
 */
export async function publishOrKeep<T>(
  { clock, unpublishedFolder }: Keeper,
  publish: () => Promise<T>,
  all: readonly Unpublished[],
): Promise<T> {
  try {
    return await publish()
  } catch (error) {
    // Another version's number or kind, and a stop that was asked for, are no loss of work by accident.
    if (unpublishedFolder === undefined || !isEspalierError(error)) throw error
    const stamp = new Date(clock.wallMs())
      .toISOString()
      .replace(/[^0-9]/g, '')
      .slice(0, 14)
    try {
      let told: Wording = error.wording
      for (const { name, content } of all) {
        const folder = join(unpublishedFolder, `${name}-${stamp}`)
        await write(folder, content)
        const fix = hint(say`; publish it by ${task('publish', folder, { name })}`)
        told = say`${told}; what was to be published as ${name} is kept in ${folder}${fix}`
      }
      throw restate(error, { wording: told })
    } catch (fault) {
      if (fault instanceof EspalierError) throw fault
      const why = `and what was to be published cannot be kept: ${explainFault(fault)}`
      throw restate(error, { wording: say`${error.wording}, ${why}` })
    }
  }
}

/** The files of a head, with its report where there is one. */
export function headFiles(
  head: Uint8Array,
  report?: ReportFiles,
  answers?: Uint8Array | null,
): Readonly<Record<string, Uint8Array | string>> {
  return {
    [HEAD_FILE]: head,
    ...(answers && { [ANSWERS_FILE]: answers }),
    ...(report && {
      [REPORT_FILES.markdown]: report.markdown,
      [REPORT_FILES.json]: report.json,
      [REPORT_FILES.html]: report.html,
    }),
  }
}

async function write(folder: string, content: Unpublished['content']): Promise<void> {
  if (typeof content === 'string') {
    await mkdir(dirname(folder), { recursive: true })
    await cp(content, folder, { recursive: true })
    return
  }
  await mkdir(folder, { recursive: true })
  for (const [path, body] of Object.entries(content)) await writeFile(join(folder, path), body)
}
