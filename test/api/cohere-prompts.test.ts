import { describe, expect, it } from 'vitest'
import { createApp } from '../../functions/api/app.ts'
import { cohereEmbedResponseSchema } from '../../shared/contract/cohere-embed.ts'
import { errorBodySchema } from '../../shared/contract/error-bodies.ts'
import { createApiDeps } from '../fakes/api-deps.ts'
import { createFakeEncoder } from '../fakes/fake-encoder.ts'
import { postJson } from '../fakes/post-json.ts'

const OPTIONS = { truncate: true, truncationDirection: 'right', normalize: true } as const
const texts = ['how do I reset my password', 'a cat sleeps']

async function appOf(prompts: Readonly<Record<string, string>>, defaultPrompt: string | null) {
  const plain = createFakeEncoder()
  const encoder = { ...plain, info: { ...plain.info, prompts, defaultPrompt } }
  return createApp(await createApiDeps({ encoder }))
}

async function vectorsOf(prompt: string): Promise<number[]> {
  const given = texts.map((text) => prompt + text)
  return [...(await createFakeEncoder().encode(given, OPTIONS)).vectors]
}

const SEARCH = { query: 'find this: ', passage: 'a text: ' }

describe('input_type of /v2/embed', () => {
  it.each<[string | null, Record<string, string>, string | null, string]>([
    ['search_query', SEARCH, null, 'find this: '],
    ['search_document', SEARCH, null, 'a text: '],
    ['search_document', { ...SEARCH, document: 'a document: ' }, null, 'a document: '],
    ['search_document', { query: 'find this: ', corpus: 'all: ' }, 'query', 'all: '],
    ['search_document', { query: 'find this: ' }, null, ''],
    ['search_document', { query: 'find this: ' }, 'query', 'find this: '],
    ['classification', { classification: 'sort this: ' }, null, 'sort this: '],
    ['clustering', { clustering: 'group this: ' }, null, 'group this: '],
    ['search_query', {}, null, ''],
    [null, SEARCH, null, ''],
    [null, SEARCH, 'query', 'find this: '],
  ])('%s, of the prompts %j with the default %s, takes %j', async (...row) => {
    const [input_type, prompts, defaultPrompt, prompt] = row
    const app = await appOf(prompts, defaultPrompt)
    const answer = await postJson(app, '/v2/embed', { texts, input_type })
    expect(answer.status).toBe(200)
    const { embeddings } = cohereEmbedResponseSchema.parse(await answer.json())
    const expected = await vectorsOf(prompt)
    expect([...Float32Array.from(embeddings.float?.flat() ?? [])]).toEqual(expected)
  })

  it.each(['query', 'constructor', ''])('is refused where it is %j', async (input_type) => {
    const answer = await postJson(await appOf(SEARCH, null), '/v2/embed', { texts, input_type })
    expect(answer.status).toBe(400)
    expect(errorBodySchema.parse(await answer.json()).message).toContain('search_query')
  })
})
