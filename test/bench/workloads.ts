import { readFileSync } from 'node:fs'
import { join } from 'node:path'

/** Texts of one kind, and where they come from. */
export interface Workload {
  readonly name: 'short' | 'mixed' | 'long'
  readonly texts: readonly string[]
  readonly source: string
}

/** Texts of a pass; enough for a second or two of work each. */
const PASS_TEXTS = { short: 512, mixed: 256, long: 64 } as const

/**
 * Reads the workloads beside the project, or makes stand-ins of the same lengths from a few sentences.
 * @param full all texts instead of the head of each list
 */
export function loadWorkloads(root: string, full: boolean): Workload[] {
  return (['short', 'mixed', 'long'] as const).map((name) => {
    const limit = full ? Number.POSITIVE_INFINITY : PASS_TEXTS[name]
    const file = join(root, '..', 'shared', 'workloads', `${name}.json`)
    let texts: readonly string[]
    let source = `workloads/${name}.json`
    try {
      texts = (JSON.parse(readFileSync(file, 'utf8')) as { texts: string[] }).texts
    } catch {
      texts = makeTexts(root, name)
      source = 'generated'
    }
    texts = texts.slice(0, limit)
    return { name, texts, source: `${source}, ${texts.length} texts` }
  })
}

/** Real sentences joined to the lengths wanted; the same texts at every call. */
function makeTexts(root: string, name: Workload['name']): string[] {
  const file = join(root, 'test', 'bench', 'sentences.json')
  const sentences = JSON.parse(readFileSync(file, 'utf8')) as string[]
  const random = createRandom(7)
  const wanted = {
    short: () => 1,
    // Log-normal around 28 words, as mixed traffic is.
    mixed: () => Math.min(170, Math.max(4, Math.exp(3.1 + 0.7 * gaussian(random)))),
    long: () => 190,
  }[name]
  return Array.from({ length: PASS_TEXTS[name] }, () => {
    const words: string[] = []
    const target = wanted()
    do {
      const next = sentences[Math.floor(random() * sentences.length)] ?? ''
      words.push(...next.split(' '))
    } while (words.length < target)
    return words.slice(0, Math.max(target, 8)).join(' ')
  })
}

function gaussian(random: () => number): number {
  return Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random())
}

/** A 32-bit linear congruential generator (Numerical Recipes): good enough to pick sentences. */
function createRandom(seed: number): () => number {
  let state = seed
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    return state / 2 ** 32
  }
}
