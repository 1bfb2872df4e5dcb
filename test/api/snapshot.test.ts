import { afterEach, expect, it } from 'vitest'
import type { ApiApp } from '../../functions/api/api-app.ts'
import { createApp } from '../../functions/api/app.ts'
import { createKey, describeKey } from '../../shared/lib/api-keys.ts'
import { RestoreHooks } from '../../shared/lib/restore-hooks.ts'
import { createSnapshotHooks } from '../../shared/serving/snapshot-hooks.ts'
import { type ApiTestDeps, createApiDeps } from '../fakes/api-deps.ts'
import { createTestHead, createTestRegistry, publishHead } from '../fakes/heads.ts'
import { openKeys } from '../fakes/open-keys.ts'
import { postJson } from '../fakes/post-json.ts'

const registry = createTestRegistry()
const restoreHooks = new RestoreHooks()
let deps: ApiTestDeps
afterEach(() => deps.close())

async function serve(env: Record<string, string> = {}): Promise<ApiApp> {
  const base = await createApiDeps({ env, registry })
  const snapshot = createSnapshotHooks({ restoreHooks, models: base.classifiers, log: base.log })
  deps = Object.assign(base, { snapshot, keys: await openKeys(base.config) })
  return createApp(deps)
}

/** Calls as the Lambda Web Adapter does: an empty POST from this machine. */
const call = (
  app: ApiApp,
  path: string,
  headers: Record<string, string> = {},
  peer = '127.0.0.1',
) =>
  app.request(path, { method: 'POST', headers }, { incoming: { socket: { remoteAddress: peer } } })

it('renews everything and looks at the registry around a snapshot', async () => {
  let renewed = 0
  restoreHooks.add(() => renewed++)
  await publishHead(registry, 'intent', createTestHead('first'))
  const app = await serve()
  const id = async () => (await app.request('/livez')).headers.get('x-request-id')!.slice(0, 20)
  const first = await id()
  expect(await id()).toBe(first)
  expect((await call(app, '/admin/snapshot/before')).status).toBe(204)
  await publishHead(registry, 'intent', createTestHead('second'))
  expect((await call(app, '/admin/snapshot/after')).status).toBe(204)
  expect(renewed).toBe(2)
  expect(await id()).not.toBe(first)
  const answer = await postJson(app, '/classify', { model: 'intent', inputs: 'hi' })
  expect(await answer.text()).toContain('"model":"intent@v2"')
  expect(deps.log.lines.map(({ message }) => message)).toContain('restored from a snapshot')
})

it('answers to the adapter on this machine alone, with keys and without', async () => {
  for (const env of [{}, { ESPALIER_API_KEYS: describeKey('a', ['admin'], createKey()) }]) {
    const app = await serve(env as Record<string, string>)
    for (const path of ['/admin/snapshot/before', '/admin/snapshot/after']) {
      expect((await call(app, path)).status).toBe(204)
      expect((await call(app, path, {}, '10.0.0.1')).status).toBe(403)
      // What the adapter brings from outside comes from this machine as well.
      for (const name of ['x-amzn-request-context', 'x-amzn-lambda-context', 'x-forwarded-for']) {
        expect((await call(app, path, { [name]: '{}' })).status).toBe(403)
      }
    }
    await deps.close()
  }
  await serve()
})
