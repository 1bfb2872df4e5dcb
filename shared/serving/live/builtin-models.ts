import type { FollowedModel } from '../../following/registry-follower.ts'
import type { RegistryWatch } from '../../following/registry-watch.ts'
import type { RegistryReader } from '../../registry/types.ts'
import type { ResolveParts } from './resolve-classifiers.ts'
import { ServedModels, type ServedModelsOptions } from './served-models.ts'

/** The models of this machine, by which requests are answered while the registry has never been read. */
export interface BuiltinModels {
  /**
   * What the names of a request are resolved with, after a look at the registry where one is due. Requests for
   * nothing but built-in models do not wait for it, except a little for the first one of all: a model of the user's
   * may lie over a built-in one.
   * @throws EspalierError the registry's own, for other models, while nothing is known of it
   */
  catchUp(addresses: readonly string[] | null): Promise<ResolveParts>
}

/** Answers for built-in models without the registry. */
export function createBuiltinModels(
  names: ResolveParts & { readonly watch: RegistryWatch },
  isKnown: () => boolean,
  options: ServedModelsOptions & { readonly registry: RegistryReader },
): BuiltinModels {
  const { watch } = names
  let opened: Promise<Pick<ResolveParts, 'follower' | 'served'>> | null = null

  async function open() {
    const listed = (await options.registry.builtin?.listModels()) ?? []
    const models = new Map<string, FollowedModel>(listed.map((model) => [model.name, model]))
    const served = new ServedModels(options)
    await served.follow(models, false)
    return { follower: { models, unreadable: new Map<string, string>() }, served }
  }

  const isBuiltin = (text: string, models: ReadonlyMap<string, FollowedModel>) =>
    models.get(text.replace(/@.*/s, '').toLowerCase())?.origin === 'builtin'

  return {
    async catchUp(addresses) {
      if (isKnown() && !watch.isDue) return names
      opened ??= open()
      const own = await opened
      const known = isKnown() ? names.follower.models : own.follower.models
      if (addresses === null || !addresses.every((text) => isBuiltin(text, known))) {
        await watch.catchUp()
        return names
      }
      // Where the first look failed, or has hung for long, nobody can tell what lies over them.
      if (!isKnown() && watch.failure === null) await watch.lookBriefly()
      else if (watch.isDue) void watch.refresh()
      return isKnown() ? names : { ...names, ...own }
    },
  }
}
