import type { LabelledExample } from '../../dataset/examples.ts'
import type { ReportMistake } from '../../reports/types.ts'

/** Makes a data URI of a small image from an image file; throws where it cannot be read. */
export type MakeThumbnail = (file: Uint8Array) => Promise<string>

/** Images with wrong answers that a report shows: some 50 KB. */
export const SHOWN_MISTAKES = 24
/** Longer ones are left out: a report stays small. */
const MAX_LENGTH = 16 * 1024

/** Small images of wrong answers, by path; those that can be made no more are left out. */
export async function makeThumbnails(
  open: () => Promise<MakeThumbnail>,
  examples: readonly LabelledExample[],
  mistakes: readonly ReportMistake[],
): Promise<Map<string, string>> {
  const thumbnails = new Map<string, string>()
  if (mistakes.length === 0) return thumbnails
  const make = await open()
  const byPath = new Map(examples.map(({ text, image }) => [text, image]))
  for (const { image: path } of mistakes) {
    const image = byPath.get(path)
    // The file may have gone since it was judged; the report does without it then.
    const made = image && (await image.load().then(make, () => null))
    if (made && made.length <= MAX_LENGTH) thumbnails.set(path, made)
  }
  return thumbnails
}
