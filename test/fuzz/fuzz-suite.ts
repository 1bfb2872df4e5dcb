import fc from 'fast-check'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { createApp } from '../../functions/api/app.ts'
import { type ServerHandle, startServer } from '../../functions/api/server.ts'
import { describeKey, KEY_SCOPES } from '../../shared/lib/api-keys.ts'
import { type ApiTestDeps, createApiDeps } from '../fakes/api-deps.ts'
import { createFakeSources, publishFakeEncoder } from '../fakes/fake-sources.ts'
import { createTestHead, createTestRegistry, publishHead } from '../fakes/heads.ts'
import { fixedKeys } from '../fakes/open-keys.ts'
import { readDocument } from './api-document.ts'
import { casesOf, type FuzzCase, type FuzzTarget } from './cases.ts'
import { findFaults, sendCase } from './judge.ts'

const TEXTS = { prompts: { query: 'query: ' } }
const IMAGES = { ...TEXTS, modality: 'image', family: 'b'.repeat(64) } as const
/** The same one each time, so that a case that was printed can be sent as it is. */
const KEY = `espalier_${'k'.repeat(43)}`

/** What the server below has that its document cannot say. */
const KNOWN: FuzzTarget['known'] = {
  model: {
    values: [
      'texts',
      'pictures',
      'pictures@v1',
      'Intent',
      'intent@v1',
      'intent@champion',
      ['intent', 'intent@v1'],
    ],
    others: true,
  },
  id: { values: ['texts', 'pictures@v1', 'intent', 'intent@v1'], others: true },
  dimensions: { values: [8, null], others: true },
  output_dimension: { values: [8, null], others: true },
  prompt_name: { values: ['query', null], others: false },
}

/**
 * Sends generated cases to a server with a text encoder, an image encoder and a classifier, and holds every answer
 * against the document that the server gives. A failure prints the case, and the seed and path that make it again.
 * @param how many cases, and the seed where FUZZ_SEED is not set
 */
export function fuzzServer({ runs, seed }: { readonly runs: number; readonly seed: number }): void {
  let deps: ApiTestDeps
  let server: ServerHandle
  let target: FuzzTarget

  beforeAll(async () => {
    const registry = createTestRegistry()
    await publishFakeEncoder(registry, 'pictures', { family: IMAGES.family })
    await publishHead(registry, 'intent', createTestHead('label'))
    const sources = createFakeSources({
      local: { texts: TEXTS },
      versions: { 'pictures@v1': IMAGES },
    })
    const keys = await fixedKeys(describeKey('fuzz', KEY_SCOPES, KEY))
    const parts = await createApiDeps({ registry, sources, name: 'texts' })
    deps = { ...parts, keys }
    target = {
      document: await readDocument(createApp({ ...deps, metrics: undefined })),
      known: KNOWN,
      key: KEY,
    }
    server = await startServer(deps)
  })
  afterAll(() => server.stop('the test ends'))

  const from = process.env.FUZZ_SEED
  const path = process.env.FUZZ_PATH
  const parameters = { seed: from ? Number(from) : seed, ...(path && { path }), numRuns: runs }

  it(`answers ${runs} generated requests as its document says`, async () => {
    const routes = new Map<string, number>()
    const judge = async (each: FuzzCase) => {
      deps.log.lines.length = 0
      const answer = await sendCase(server.port, each)
      expect(findFaults(target, each, answer, deps.log.lines)).toEqual([])
      const route = `${each.method} ${each.template}`
      if (answer.status === 200) routes.set(route, (routes.get(route) ?? 0) + 1)
    }
    await fc.assert(fc.asyncProperty(casesOf(target), judge), parameters)
    // A generator that reaches nothing finds nothing.
    if (path) return
    const answered = target.document.operations.map(
      (each) => `${each.method.toUpperCase()} ${each.path}`,
    )
    expect([...routes.keys()]).toEqual(expect.arrayContaining(answered))
  })
}
