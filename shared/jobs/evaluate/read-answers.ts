import { z } from 'zod'
import { dataError } from '../../dataset/data-error.ts'
import { readRows } from '../../dataset/rows.ts'
import type { DataSource } from '../../dataset/types.ts'
import { AnswerCounts, binOf } from '../../drift/answer-counts.ts'

/** A line of predictions, as they are written beside rows. */
const predictionSchema = z.object({
  model: z.string(),
  label: z.string().nullable(),
  score: z.number().min(0).max(1),
  labels: z.array(z.object({ label: z.string() })),
  in_distribution: z.boolean().nullable(),
})

/** What the line of a request in a server's log has of each classifier. */
const answeredSchema = z.object({
  model: z.string(),
  answers: z.int().min(0),
  labels: z.array(z.object({ label: z.string(), answers: z.int().min(0) })),
  none: z.int().min(0).default(0),
  meanScore: z.number(),
  scores: z.record(z.string(), z.int().min(0)),
  inDistribution: z.number().min(0).max(1).optional(),
})
type Answered = z.infer<typeof answeredSchema>

/** Answers of one version, and how many there were of others. */
export interface ReadAnswers {
  readonly counts: AnswerCounts
  readonly others: ReadonlyMap<string, number>
}

/**
 * Counts the answers of one version in JSON lines: predictions of rows, or the log of servers, of which all other lines
 * are passed over. Bounded memory, whatever the number of lines.
 * @param version `name@v1`
 * @throws EspalierError `invalid_data` where no line has an answer of it
 */
export async function readAnswers(
  source: DataSource,
  version: string,
  { multiLabel, signal }: { readonly multiLabel: boolean; readonly signal?: AbortSignal },
): Promise<ReadAnswers> {
  const counts = new AnswerCounts()
  const others = new Map<string, number>()
  let lines = 0
  const isOurs = (model: string, answers: number): boolean => {
    if (model !== version) others.set(model, (others.get(model) ?? 0) + answers)
    return model === version
  }
  for await (const { line, cells } of readRows(source, { signal })) {
    lines++
    if (cells.answered !== undefined) {
      const parsed = z.array(answeredSchema).safeParse(cells.answered)
      if (!parsed.success) throw dataError(source.name, line, '"answered" is not as servers log it')
      for (const each of parsed.data) {
        if (isOurs(each.model, each.answers)) addLogged(counts, each, multiLabel)
      }
      continue
    }
    const parsed = predictionSchema.safeParse(cells)
    if (!parsed.success) continue
    const { model, in_distribution: inDistribution, ...answer } = parsed.data
    if (isOurs(model, 1)) counts.add({ ...answer, inDistribution }, { multiLabel })
  }
  if (counts.answers > 0) return { counts, others }
  const [other] = others.keys()
  throw dataError(
    source.name,
    null,
    other === undefined
      ? `none of ${lines} lines has an answer; it must be JSON lines of predictions, or the log of a server`
      : `there are answers of ${[...others.keys()].slice(0, 5).join(', ')} and none of ${version}`,
  )
}

function addLogged(counts: AnswerCounts, logged: Answered, multiLabel: boolean): void {
  const { answers, labels, none, meanScore, scores, inDistribution } = logged
  const listed = labels.reduce((sum, each) => sum + each.answers, 0)
  const one = new AnswerCounts()
  one.answers = answers
  one.none = none
  // A line lists the most frequent labels alone; where some are missing, its labels are no sample.
  const isWhole = !multiLabel && listed + none === answers
  if (isWhole) {
    one.usual = answers
    one.usualNone = none
  }
  for (const { label, answers: count } of labels) {
    one.labels.set(label, count)
    if (isWhole) one.usualLabels.set(label, count)
  }
  one.scoreSum = meanScore * answers
  for (const [edge, count] of Object.entries(scores)) one.scores[binOf(Number(edge))]! += count
  if (inDistribution !== undefined) {
    one.judged = answers
    one.inside = Math.round(inDistribution * answers)
  }
  counts.merge(one)
}
