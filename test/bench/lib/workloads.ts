import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { createRandom, type Random } from '../../../shared/lib/maths/random.ts'

export type WorkloadName = 'short' | 'mixed' | 'long'

/** Texts of one kind, and where they come from. */
export interface Workload {
  readonly name: WorkloadName
  readonly texts: readonly string[]
  readonly source: string
}

/** How many texts of each kind a pass takes. */
export type TextCounts = Readonly<Record<WorkloadName, number>>

/** A second or two of work in process. */
export const PROCESS_TEXTS: TextCounts = { short: 512, mixed: 256, long: 64 }
/** Over HTTP, with as many requests of 32 texts that the beginning and the end of a pass weigh little. */
export const HTTP_TEXTS: TextCounts = { short: 1024, mixed: 512, long: 128 }

const NAMES: readonly WorkloadName[] = ['short', 'mixed', 'long']

/**
 * Reads the workloads beside the project, or makes stand-ins of the same lengths from a few sentences.
 * @param counts texts wanted of each list; null for all that there are
 * @param folder where the lists are, one `NAME.json` each
 */
export function loadWorkloads(
  root: string,
  counts: TextCounts | null,
  folder = join(root, '..', 'shared', 'workloads'),
): Workload[] {
  return NAMES.map((name) => {
    const limit = counts?.[name] ?? Number.POSITIVE_INFINITY
    const listed = readTexts(join(folder, `${name}.json`))
    const texts = (listed ?? makeTexts(root, name, (counts ?? HTTP_TEXTS)[name])).slice(0, limit)
    const source = listed ? `workloads/${name}.json` : 'generated'
    return { name, texts, source: `${source}, ${texts.length} texts` }
  })
}

/** The workloads in half a sentence each. */
export function describeWorkloads(workloads: readonly Workload[]): string {
  return workloads.map(({ name, source }) => `${name} (${source})`).join(', ')
}

function readTexts(file: string): readonly string[] | null {
  try {
    return (JSON.parse(readFileSync(file, 'utf8')) as { texts: string[] }).texts
  } catch {
    return null
  }
}

/** Halves of real sentences joined to the lengths wanted, hardly any text twice; the same texts at every call. */
function makeTexts(root: string, name: WorkloadName, count: number): string[] {
  const file = join(root, 'test', 'bench', 'lib', 'sentences.json')
  const sentences = JSON.parse(readFileSync(file, 'utf8')) as string[]
  const words = sentences.map((sentence) => sentence.split(' '))
  const random = createRandom(7)
  const pick = () => words[random.below(words.length)] as string[]
  const wantedWords = {
    short: () => 8,
    // Log-normal around 28 words, as mixed traffic is.
    mixed: () => Math.min(170, Math.max(4, Math.exp(3.1 + 0.7 * gaussian(random)))),
    long: () => 190,
  }[name]
  return Array.from({ length: count }, () => {
    const text: string[] = []
    const wanted = wantedWords()
    while (text.length < wanted) {
      const [start, end] = [pick(), pick()]
      text.push(...start.slice(0, start.length >> 1), ...end.slice(end.length >> 1))
    }
    return text.slice(0, Math.max(wanted, 8)).join(' ')
  })
}

function gaussian(random: Random): number {
  return Math.sqrt(-2 * Math.log(1 - random.next())) * Math.cos(2 * Math.PI * random.next())
}
