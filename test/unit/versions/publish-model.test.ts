import { expect, it } from 'vitest'
import { layerRegistry } from '../../../shared/registry/layered.ts'
import { openRegistry } from '../../../shared/registry/registry.ts'
import { openMemoryStore } from '../../../shared/registry/stores/memory/store.ts'
import { checkTargetKind } from '../../../shared/versions/publish-model.ts'
import { watchStore } from '../../fakes/watched-store.ts'
import { sampleRequest } from '../registry/samples.ts'

it('checks the kind of a model whose newest version changes while it looks', async () => {
  const store = openMemoryStore()
  const user = openRegistry(store)
  const builtin = openRegistry(openMemoryStore(), { origin: 'builtin' })
  await builtin.publish(sampleRequest('shipped'))
  await builtin.publish(sampleRequest('shipped too'))
  const asked: string[] = []
  const racing = watchStore(store, async (operation, key) => {
    if (operation !== 'get' || !key.includes('/versions/')) return
    asked.push(key)
    // The built-in model is shadowed by one that has a single version, then that is deleted for another.
    if (asked.length === 1) await user.publish(sampleRequest('mine'))
    if (asked.length === 2) {
      await user.publish(sampleRequest('mine too'))
      await user.deleteVersion('intent', 1)
    }
  })
  const layered = layerRegistry(openRegistry(racing), builtin)
  await checkTargetKind(layered, 'intent', 'classifier', undefined)
  expect(asked).toEqual([2, 1, 2].map((version) => `models/intent/versions/${version}.json`))
  const refused = checkTargetKind(layered, 'intent', 'embedding', undefined)
  await expect(refused).rejects.toMatchObject({ code: 'wrong_model_kind' })
})
