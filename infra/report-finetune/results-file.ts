import { readFile, writeFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import type { CellResult } from './convergence.ts'
import type { FewShotResult, FullResult } from './product-studies.ts'

/** Everything that was measured last; runs of single parts and sets add to it. */
export interface StudyResults {
  readonly convergence: readonly CellResult[]
  readonly 'few-shot': readonly FewShotResult[]
  readonly full: readonly FullResult[]
}

const FILE = fileURLToPath(new URL('results.json', import.meta.url))

/** What earlier runs measured. */
export async function readResults(): Promise<StudyResults> {
  return JSON.parse(await readFile(FILE, 'utf8')) as StudyResults
}

/** Puts one result in place of an earlier one of the same key, and writes all. */
export async function keepResult<Part extends keyof StudyResults>(
  part: Part,
  result: StudyResults[Part][number],
): Promise<void> {
  const results = await readResults()
  const others = results[part].filter((each) => each.key !== result.key)
  const merged = [...others, result].sort((a, b) => a.order - b.order)
  await writeFile(FILE, `${JSON.stringify({ ...results, [part]: merged }, round)}\n`)
}

/** Six digits are more than was measured. */
function round(_: string, value: unknown): unknown {
  return typeof value === 'number' && Number.isFinite(value) ? Number(value.toPrecision(6)) : value
}
