import { setImmediate as turn } from 'node:timers/promises'

/** What clients saw of the servers. */
export interface LoadReport {
  readonly requests: number
  /** Everything that is not as it must be, in words. */
  readonly faults: readonly string[]
  /** Milliseconds of each request. */
  readonly durations: readonly number[]
}

/** What an answer may be. */
export interface LoadRules {
  /** True for a version, `name@v7`, that was ever promoted. */
  readonly isAllowed: (version: string) => boolean
  /** What a head says of a text of `LOAD_TEXTS`, worked out apart from any server. */
  readonly expected: (version: string, text: number) => { label: string | null; score: number }
  /** Told of every head that answers, by server. */
  readonly onAnswer: (url: string, version: string) => void
}

const CLIENTS = 3
/** What clients ask about. */
export const LOAD_TEXTS = [
  'the cat sat on a mat',
  'dog ran in rain',
  'sun is warm',
  'the cold sun . dog !',
]
const BODIES = [
  { model: 'intent' },
  { model: ['intent', 'topic'] },
  { model: 'intent@champion', top_k: 1 },
]
/** Faults that are described; the rest is counted with them. */
const MAX_FAULTS = 20

/** Clients that ask every server without a pause until they are stopped. */
export function startLoad(urls: readonly string[], rules: LoadRules): () => Promise<LoadReport> {
  const faults: string[] = []
  const durations: number[] = []
  let stopped = false
  const note = (fault: string) => {
    if (faults.length < MAX_FAULTS) faults.push(fault)
  }
  const client = async (url: string, seat: number): Promise<void> => {
    for (let i = seat; !stopped; i++) {
      const since = performance.now()
      try {
        if (i % 4 === 3) await embed(url, rules, note)
        else await classify(url, BODIES[i % BODIES.length]!, rules, note)
      } catch (error) {
        note(`${url}: ${error}`)
      }
      durations.push(performance.now() - since)
      await turn()
    }
  }
  const clients = urls.flatMap((url) =>
    Array.from({ length: CLIENTS }, (_, seat) => client(url, seat)),
  )
  return async () => {
    stopped = true
    await Promise.all(clients)
    return { requests: durations.length, faults, durations }
  }
}

async function post(url: string, body: object): Promise<{ status: number; text: string }> {
  const response = await fetch(url, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
  })
  return { status: response.status, text: await response.text() }
}

async function classify(
  url: string,
  body: object,
  { isAllowed, expected, onAnswer }: LoadRules,
  note: (fault: string) => void,
): Promise<void> {
  const { status, text } = await post(`${url}/classify`, { inputs: LOAD_TEXTS, ...body })
  if (status !== 200) return note(`${status}: ${text}`)
  const { data } = JSON.parse(text) as {
    data: { predictions: { model: string; label: string | null; score: number }[] }[]
  }
  const [first] = data
  if (data.length !== LOAD_TEXTS.length) note(`${data.length} answers`)
  for (const [row, { predictions }] of data.entries()) {
    for (const [at, { model, label, score }] of predictions.entries()) {
      if (!isAllowed(model)) note(`${model} answers and was never promoted`)
      if (model !== first?.predictions[at]?.model) note(`${model} in the middle of an answer`)
      const right = expected(model, row)
      if (label === right.label && Math.abs(score - right.score) < 1e-4) continue
      note(`${model} says ${label} ${score} instead of ${right.label} ${right.score}`)
    }
  }
  for (const { model } of first?.predictions ?? []) onAnswer(url, model)
}

async function embed(
  url: string,
  { isAllowed, onAnswer }: LoadRules,
  note: (fault: string) => void,
): Promise<void> {
  const { status, text } = await post(`${url}/v1/embeddings`, { input: LOAD_TEXTS })
  if (status !== 200) return note(`${status}: ${text}`)
  const { model, data } = JSON.parse(text) as { model: string; data: unknown[] }
  if (!isAllowed(model)) note(`${model} embeds and was never promoted`)
  if (data.length !== LOAD_TEXTS.length) note(`${data.length} vectors`)
  onAnswer(url, model)
}
