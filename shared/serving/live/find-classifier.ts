import type { FollowedModel } from '../../following/registry-follower.ts'
import { EspalierError } from '../../lib/errors.ts'
import { CHAMPION, type ModelAddress } from '../../lib/text/model-address.ts'
import { nearestName } from '../../lib/text/nearest.ts'
import { quote } from '../../lib/text/text.ts'
import { hint, say, task } from '../../lib/wording.ts'
import { versionOfAlias } from '../../registry/records/state.ts'
import { chooseVersion } from '../../registry/records/traffic.ts'
import type { ServedModel } from './served-models.ts'

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
