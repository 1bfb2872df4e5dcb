import type { FollowedModel, RegistryFollower } from '../../following/registry-follower.ts'
import type { RegistryWatch } from '../../following/registry-watch.ts'
import { EspalierError, isEspalierError, restate } from '../../lib/errors.ts'
import { CHAMPION, type ModelAddress, parseModelAddress } from '../../lib/text/model-address.ts'
import { nearestName } from '../../lib/text/nearest.ts'
import { quote } from '../../lib/text/text.ts'
import { hint, say, task } from '../../lib/wording.ts'
import { versionOfAlias } from '../../registry/records/state.ts'
import { chooseVersion } from '../../registry/records/traffic.ts'
import type { RegistryVersion } from '../../registry/types.ts'
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
  readonly follower: Pick<RegistryFollower, 'models' | 'unreadable'>
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
    await parts.watch.lookBriefly()
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
    const version = await served.get(name)?.manifests.get(champion)
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
  const fault = model ? undefined : follower.unreadable.get(name)
  if (fault !== undefined) throw brokenModel(name, fault, param)
  if (!model) throw classifierNotFound(name, follower.models, param)
  const version = await nameParam(param, async () =>
    model.manifests.get(chooseServedVersion(model, address, routeKey, param)),
  )
  return { model, version, isUnqualified: selector.kind === 'default', param }
}

/** Says which of the caller's models an error is about. */
export async function nameParam<T>(param: string, ask: () => Promise<T>): Promise<T> {
  try {
    return await ask()
  } catch (error) {
    if (!(error instanceof EspalierError) || error.param !== undefined) throw error
    throw restate(error, { param })
  }
}

/** Names listed in a message. */
const MAX_LISTED = 20

/** Classifiers by name. */
export function listClassifiers(models: ReadonlyMap<string, FollowedModel>): FollowedModel[] {
  return [...models.values()]
    .filter(({ kind }) => kind === 'classifier')
    .sort((a, b) => (a.name < b.name ? -1 : 1))
}

/**
 * The classifier of a request that names none: the only one of the user's registry, else the only built-in one
 * that reads the default encoder.
 * @throws EspalierError `invalid_request` listing them where there are several, `model_not_found` where there is none
 */
export async function findOnlyClassifier(
  models: ReadonlyMap<string, FollowedModel>,
  readsDefault: (model: FollowedModel) => Promise<boolean>,
): Promise<string> {
  const all = listClassifiers(models)
  const own = all.filter(({ origin }) => origin === 'registry')
  const [only, ...more] = own.length > 0 ? own : await filterBuiltin(all, readsDefault)
  if (only && more.length === 0) return only.name
  if (!only) {
    const train = task('train', 'DATA', { name: 'NAME', promote: true })
    throw new EspalierError(
      'model_not_found',
      say`there is no classifier yet: train one${hint(say` with ${train}`, ' and promote it')}`,
      { param: 'model' },
    )
  }
  throw new EspalierError(
    'invalid_request',
    `model is missing; it must name one or more of the ${all.length} classifiers: ${listNames(all)}`,
    { param: 'model' },
  )
}

async function filterBuiltin(
  builtin: readonly FollowedModel[],
  readsDefault: (model: FollowedModel) => Promise<boolean>,
): Promise<readonly FollowedModel[]> {
  if (builtin.length < 2) return builtin
  const reads = await Promise.all(builtin.map(readsDefault))
  return builtin.filter((_, at) => reads[at])
}

/** The error for a model that is there and cannot be read. */
export function brokenModel(name: string, fault: string, param: string): EspalierError {
  return new EspalierError('object_unreadable', `${name} cannot be served: ${fault}`, { param })
}

/** The error for a name that no classifier has. */
export function classifierNotFound(
  name: string,
  models: ReadonlyMap<string, FollowedModel>,
  param: string,
): EspalierError {
  const all = listClassifiers(models)
  const nearest = nearestName(
    name,
    all.map((model) => model.name),
  )
  const hint = nearest ? ` (did you mean ${quote(nearest)}?)` : ''
  return new EspalierError(
    'model_not_found',
    `there is no classifier ${quote(name)}${hint}; there is: ${listNames(all)}`,
    { param },
  )
}

/**
 * The version that an address means; numbers are not checked for being there.
 * @throws EspalierError `version_not_found` listing what the model has
 */
export function chooseServedVersion(
  { state, followed }: ServedModel,
  { name, selector }: ModelAddress,
  routeKey: string | undefined,
  param: string,
): number {
  if (selector.kind === 'version') return selector.version
  const version =
    selector.kind === 'default'
      ? (chooseVersion(state, routeKey)?.version ?? null)
      : versionOfAlias(state, selector.alias)
  if (version !== null) return version
  const alias = selector.kind === 'default' ? CHAMPION : selector.alias
  const aliases = Object.keys(state.aliases)
  const versions = followed.versions.map((number) => `v${number}`)
  const latest = versions.at(-1) ?? ''
  const promote = task('promote', `${name}@${latest}`, { alias })
  throw new EspalierError(
    'version_not_found',
    say`${name} has no ${alias}; it has ${[...versions.slice(-MAX_LISTED), ...aliases].join(', ')}: name ${name}@${latest}, or ${hint(say`run ${promote}`, `promote it to ${alias}`)}`,
    { param },
  )
}

function listNames(models: readonly FollowedModel[]): string {
  const names = models.slice(0, MAX_LISTED).map(({ name }) => name)
  if (models.length > MAX_LISTED) names.push('…')
  return names.join(', ') || 'none'
}
