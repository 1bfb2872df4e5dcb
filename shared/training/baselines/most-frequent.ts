/** Rows with labels: texts where there are any, and the labels of each as numbers from 0. */
export interface LabelledRows {
  readonly texts: readonly string[]
  readonly truth: readonly (readonly number[])[]
  readonly labels: number
  /** Rows may have several labels, or none. */
  readonly multiLabel: boolean
}

/** Always the answer that the learnt rows have most often, the first of several: what chance and habit reach. */
export function answerMostFrequent(
  { truth }: LabelledRows,
  asked: readonly string[],
): readonly (readonly number[])[] {
  const counts = new Map<string, { readonly answer: readonly number[]; rows: number }>()
  for (const labels of truth) {
    const answer = labels.toSorted((a, b) => a - b)
    const key = answer.join()
    const entry = counts.get(key)
    if (entry === undefined) counts.set(key, { answer, rows: 1 })
    else entry.rows++
  }
  let best: { readonly answer: readonly number[]; rows: number } = { answer: [], rows: 0 }
  for (const entry of counts.values()) if (entry.rows > best.rows) best = entry
  return asked.map(() => best.answer)
}
