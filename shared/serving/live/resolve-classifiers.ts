import type { RegistryFollower } from '../../following/registry-follower.ts'
import type { RegistryWatch } from '../../following/registry-watch.ts'
import { EspalierError, isEspalierError } from '../../lib/errors.ts'
import { CHAMPION, parseModelAddress } from '../../lib/text/model-address.ts'
import { hint, say, task } from '../../lib/wording.ts'
import { versionOfAlias } from '../../registry/records/state.ts'
import type { RegistryVersion } from '../../registry/types.ts'
import { chooseServedVersion, classifierNotFound, findOnlyClassifier } from './find-classifier.ts'
import { nameParam } from './name-param.ts'
import type { ServedModel, ServedModels } from './served-models.ts'

/** A request for something unknown looks again when the last look is this old, milliseconds. */
const MISS_REFRESH_MS = 500

/** A classifier that a request asks for. */
export interface ResolvedClassifier {
  readonly model: ServedModel
  readonly version: RegistryVersion
  /** True for the unqualified name, which traffic splits and shadows are about. */
  readonly isUnqualified: boolean
  /** The caller's name of the address, for messages. */
  readonly param: string
}

/** What names are resolved with. */
export interface ResolveParts {
  readonly follower: RegistryFollower
  readonly served: ServedModels
  readonly watch: RegistryWatch
  /** True for a name that encoders have, which no classifier of the registry is meant by. */
  readonly isEncoder: (name: string) => boolean
  /** The default encoder's. */
  readonly family: () => string
}

/**
 * Finds the classifiers of a request; without a name the only one there is. What is unknown is looked for once
 * more, as it may have been published a moment ago.
 * @throws EspalierError `invalid_name`, `model_not_found`, `version_not_found`, `wrong_model_kind`
 */
export async function resolveClassifiers(
  parts: ResolveParts,
  addresses: readonly string[] | null,
  routeKey: string | undefined,
): Promise<ResolvedClassifier[]> {
  try {
    return await resolveAll(parts, addresses, routeKey)
  } catch (error) {
    const unknown =
      isEspalierError(error, 'model_not_found') || isEspalierError(error, 'version_not_found')
    if (!unknown || parts.watch.ageMs < MISS_REFRESH_MS) throw error
    await parts.watch.refresh()
    return resolveAll(parts, addresses, routeKey)
  }
}

async function resolveAll(
  parts: ResolveParts,
  addresses: readonly string[] | null,
  routeKey: string | undefined,
): Promise<ResolvedClassifier[]> {
  const names = addresses ?? [await findDefault(parts)]
  const isList = names.length > 1
  return Promise.all(
    names.map((text, i) => resolve(parts, text, isList ? `model[${i}]` : 'model', routeKey)),
  )
}

function findDefault({ follower, served, family }: ResolveParts): Promise<string> {
  return findOnlyClassifier(follower.models, async ({ name, state }) => {
    const champion = versionOfAlias(state, CHAMPION)
    if (champion === null) return false
    const version = await served.get(name)?.book.get(champion)
    return version?.family === family()
  })
}

async function resolve(
  { follower, served, isEncoder }: ResolveParts,
  text: string,
  param: string,
  routeKey: string | undefined,
): Promise<ResolvedClassifier> {
  const address = parseModelAddress(text, param)
  const { name, selector } = address
  const model = served.get(name)
  if (isEncoder(name) || model?.followed.kind === 'embedding') {
    const list = hint(say`, ${task('models')} lists them`)
    const message = say`${param}: ${name} is an encoder; name a classifier${list}`
    throw new EspalierError('wrong_model_kind', message, { param })
  }
  if (!model) throw classifierNotFound(name, follower.models, param)
  const version = await nameParam(param, async () =>
    model.book.get(chooseServedVersion(model, address, routeKey, param)),
  )
  return { model, version, isUnqualified: selector.kind === 'default', param }
}
