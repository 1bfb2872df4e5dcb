import { createRandom } from '../../shared/lib/maths/random.ts'

/** Words of the tiny checkpoints' vocabulary that tell the labels apart. */
const SIGNS = {
  motion: 'go come down way long'.split(' '),
  amount: 'one two many more number'.split(' '),
  drink: 'water find made first day'.split(' '),
}
const OTHERS = 'the of and to in is it that was for on are with as at be this from'.split(' ')

export type WordLabel = keyof typeof SIGNS

/** Seeded rows of words, of as many labels as there are signs; `noise` of them have another row's label. */
export function makeWordRows(
  count: number,
  { seed = 1, noise = 0 }: { readonly seed?: number; readonly noise?: number } = {},
): { readonly text: string; readonly label: WordLabel }[] {
  const random = createRandom(seed)
  const labels = Object.keys(SIGNS) as WordLabel[]
  const pick = <T>(values: readonly T[]): T => values[random.below(values.length)]!
  return Array.from({ length: count }, (_, i) => {
    const label = labels[i % labels.length]!
    const words = Array.from({ length: 4 + random.below(4) }, () => pick(OTHERS))
    for (let sign = 0; sign < 2; sign++) words[random.below(words.length)] = pick(SIGNS[label])
    return { text: words.join(' '), label: random.next() < noise ? pick(labels) : label }
  })
}

/** Rows as a CSV file. */
export function toCsv(rows: readonly { readonly text: string; readonly label: string }[]): string {
  return `text,label\n${rows.map(({ text, label }) => `${text},${label}\n`).join('')}`
}
