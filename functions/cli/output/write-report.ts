import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { openAtomicFile } from '../../../shared/dataset/atomic-file.ts'
import { EspalierError } from '../../../shared/lib/errors.ts'
import { REPORT_FILES } from '../../../shared/versions/head-version.ts'

/** Writes a training's report into a folder, each file whole or not at all. @throws EspalierError `invalid_data` */
export async function writeReport(
  folder: string,
  files: { readonly markdown: string; readonly json: string; readonly html: string },
): Promise<void> {
  try {
    await mkdir(folder, { recursive: true })
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause)
    throw new EspalierError('invalid_data', `--report ${folder}: ${why}`, { cause })
  }
  for (const kind of ['markdown', 'json', 'html'] as const) {
    const file = await openAtomicFile(join(folder, REPORT_FILES[kind]))
    try {
      await file.write(new TextEncoder().encode(files[kind]))
      await file.commit()
    } finally {
      await file.discard()
    }
  }
}
