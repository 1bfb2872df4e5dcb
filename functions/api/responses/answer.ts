import { FINGERPRINT_HEADER, MODEL_HEADER } from '../../../shared/contract/embed.ts'
import { nameBins } from '../../../shared/drift/answer-counts.ts'
import type { Clock } from '../../../shared/lib/clock.ts'
import { formatModelVersion } from '../../../shared/lib/text/model-address.ts'
import type { ClassifierAnswer } from '../../../shared/serving/classify.ts'
import type { EmbedResult } from '../../../shared/serving/embed.ts'
import type { AnsweredBrief, ApiContext, RequestRecord, Usage } from '../types.ts'

/** A line of the log tells of so many classifiers, and of each so many labels, cut to so many characters. */
const TOLD_HEADS = 5
const TOLD_LABELS = 5
const TOLD_LENGTH = 64

/** Puts what an inference cost and who answered into the record of its request, and which encoders ran into the headers. */
export function recordUsage(
  c: ApiContext,
  passes: readonly [EmbedResult, ...EmbedResult[]],
  answers: readonly Pick<ClassifierAnswer, 'model' | 'counts'>[] = [],
): Usage {
  const models = passes.map(({ info, batch }) => ({
    model: formatModelVersion(info),
    inputs: batch.tokens.length,
    tokens: batch.tokens.reduce((sum, count) => sum + count, 0),
    truncated: batch.truncated.reduce((sum, cut) => sum + cut, 0),
  }))
  const sumOf = (stage: 'queueMs' | 'tokenizeMs' | 'runMs') =>
    roundMs(passes.reduce((sum, { batch }) => sum + batch.timings[stage], 0))
  const cut = passes[0].batch.truncated.map((_, row) =>
    Math.max(...passes.map(({ batch }) => batch.truncated[row]!)),
  )
  const usage: Usage = {
    model: models.map(({ model }) => model).join(', '),
    ...(answers.length > 0 && {
      heads: answers.map(({ model }) => model).join(', '),
      answered: answers.slice(0, TOLD_HEADS).map(describeCounts),
    }),
    models,
    inputs: passes[0].batch.tokens.length,
    tokens: models.reduce((sum, { tokens }) => sum + tokens, 0),
    truncated: cut.reduce((sum, each) => sum + each, 0),
    queueMs: sumOf('queueMs'),
    tokenizeMs: sumOf('tokenizeMs'),
    runMs: sumOf('runMs'),
  }
  const record = c.get('record')
  record.usage = usage
  record.usageHeaders = {
    [MODEL_HEADER]: usage.model,
    [FINGERPRINT_HEADER]: passes.map(({ info }) => info.fingerprint).join(', '),
    'x-compute-type': passes.every(({ info }) => info.device === 'cpu') ? 'cpu' : 'gpu',
    'x-compute-tokens': String(usage.tokens),
    'x-truncated': String(usage.truncated),
  }
  return usage
}

/** Labels are words of the operator's; texts are not repeated. */
function describeCounts({
  model,
  counts,
}: Pick<ClassifierAnswer, 'model' | 'counts'>): AnsweredBrief {
  const { answers, labels, none, judged, inside } = counts
  const sorted = [...labels].sort(([, a], [, b]) => b - a).slice(0, TOLD_LABELS)
  const told = sorted.map(([label, count]) => ({
    label: label.slice(0, TOLD_LENGTH),
    answers: count,
  }))
  return {
    ...{ model, answers, labels: told },
    ...(none > 0 && { none }),
    meanScore: roundShare(answers > 0 ? counts.scoreSum / answers : 0),
    scores: nameBins(counts.scores),
    ...(judged > 0 && { inDistribution: roundShare(inside / judged) }),
  }
}

function roundShare(share: number): number {
  return Math.round(share * 10_000) / 10_000
}

/** To whole microseconds. */
function roundMs(ms: number): number {
  return Math.round(ms * 1000) / 1000
}

/**
 * The answer of an inference route, with all its headers at once: a header set on a finished response
 * makes Hono build the response anew, which cost more than everything else in a short request.
 */
export function answerJson(c: ApiContext, json: Uint8Array<ArrayBuffer>, clock: Clock): Response {
  const record = c.get('record')
  record.answered = true
  return new Response(json, {
    headers: {
      'content-type': 'application/json',
      'x-request-id': record.id,
      ...record.usageHeaders,
      ...timingHeaders(record, clock),
    },
  })
}

/** Where the time went: `Server-Timing` for browsers, `x-…-time` in whole milliseconds as TEI does. */
export function timingHeaders(
  { usage, startedMs }: RequestRecord,
  clock: Clock,
): Record<string, string> {
  const totalMs = clock.monotonicMs() - startedMs
  const total = `total;dur=${totalMs.toFixed(2)}`
  if (!usage) return { 'server-timing': total }
  const { queueMs, tokenizeMs, runMs } = usage
  const stages = [
    total,
    stage('queue', queueMs),
    stage('tokenize', tokenizeMs),
    stage('run', runMs),
  ]
  return {
    'x-compute-time': toWhole(tokenizeMs + runMs),
    'x-total-time': toWhole(totalMs),
    'x-queue-time': toWhole(queueMs),
    'x-tokenization-time': toWhole(tokenizeMs),
    'x-inference-time': toWhole(runMs),
    'server-timing': stages.join(', '),
  }
}

function stage(name: string, ms: number): string {
  return `${name};dur=${ms.toFixed(2)}`
}

function toWhole(ms: number): string {
  return String(Math.round(ms))
}
