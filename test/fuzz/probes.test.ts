import { expect, it } from 'vitest'
import { createApp } from '../../functions/api/app.ts'
import { createApiDeps } from '../fakes/api-deps.ts'
import { readDocument } from './api-document.ts'

it('probes answer as the document says while nobody is welcome', async () => {
  const deps = await createApiDeps({ starting: true })
  const app = createApp(deps)
  const document = await readDocument(app)
  const probes = document.operations.filter(({ responses }) => responses[503] !== undefined)
  expect(probes.map(({ path }) => path)).toContain('/readyz')
  for (const { path, responses } of probes) {
    const answer = await app.request(path)
    const said = (responses[answer.status] ?? responses.default)!.content['application/json']!
    expect(document.faultOf(said.schema, await answer.json())).toBeNull()
    expect(answer.status).toBe(path === '/livez' ? 200 : 503)
  }
  await deps.close()
})
