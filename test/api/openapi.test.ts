import { readFileSync } from 'node:fs'
import { expect, it } from 'vitest'
import { createApp } from '../../functions/api/app.ts'
import packageJson from '../../package.json' with { type: 'json' }
import { createKey, describeKey } from '../../shared/lib/api-keys.ts'
import { createApiDeps } from '../fakes/api-deps.ts'
import { fixedKeys } from '../fakes/open-keys.ts'

it('serves the document that docs/openapi.json holds; "npm run docs:openapi" renews it', async () => {
  const line = describeKey('reader', ['infer'], createKey())
  const keys = await fixedKeys(line)
  const app = createApp({ ...(await createApiDeps()), version: packageJson.version, keys })
  const served: unknown = await (await app.request('/openapi.json')).json()
  const stored = readFileSync(new URL('../../docs/openapi.json', import.meta.url), 'utf8')
  expect(served).toEqual(JSON.parse(stored))
  // As written, so that a diff of the file is one of the document.
  expect(`${JSON.stringify(served, null, 2)}\n`).toBe(stored)
})
