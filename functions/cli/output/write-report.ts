import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { openAtomicFile } from '../../../shared/dataset/atomic-file.ts'
import { EspalierError } from '../../../shared/lib/errors.ts'
import { REPORT_FILES } from '../../../shared/versions/head-version.ts'

/**
 * Writes a training's report into a folder, each file whole or not at all.
 * @param option the option that names the folder, for messages
 * @throws EspalierError `invalid_data`
 */
export async function writeReport(
  folder: string,
  files: { readonly markdown: string; readonly json: string; readonly html: string },
  option = '--report',
): Promise<void> {
  try {
    await mkdir(folder, { recursive: true })
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause)
    throw new EspalierError('invalid_data', `${option} ${folder}: ${why}`, { cause })
  }
  for (const kind of ['markdown', 'json', 'html'] as const) {
    await writeReportFile(join(folder, REPORT_FILES[kind]), files[kind])
  }
}

/** Writes one file whole or not at all. @throws EspalierError `invalid_data` */
export async function writeReportFile(path: string, text: string): Promise<void> {
  const file = await openAtomicFile(path)
  try {
    await file.write(new TextEncoder().encode(text))
    await file.commit()
  } finally {
    await file.discard()
  }
}
