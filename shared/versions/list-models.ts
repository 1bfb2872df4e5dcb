import type { ArtifactOptions } from '../encoders/encoder-artifacts.ts'
import type { ModelSummary as RegistryModel, RegistryReader } from '../registry/types.ts'
import { readHeadCard } from './head-version.ts'
import { summarizeBuiltins } from './list-builtins.ts'
import type { ModelSummary } from './model-summary.ts'

/** Every model that can be named: the built-in encoders, then what the registry has, by name. */
export async function listModels(
  artifacts: Pick<ArtifactOptions, 'builtinFolder'>,
  registry: RegistryReader,
): Promise<ModelSummary[]> {
  const encoders = await summarizeBuiltins(artifacts)
  const models = await registry.listModels()
  const listed: ModelSummary[] = []
  for (const model of models) listed.push(await summarizeModel(registry, model))
  return [...encoders, ...listed]
}

/** A model of the registry, described by its newest version. */
async function summarizeModel(
  registry: RegistryReader,
  { name, kind, versions, state, origin }: RegistryModel,
): Promise<ModelSummary> {
  const newest = await registry.getVersion(name, versions.at(-1)!)
  const card = kind === 'classifier' ? readHeadCard(newest) : null
  const { dimension } = newest.metadata
  return {
    name,
    kind,
    source: origin === 'builtin' ? 'built-in' : 'registry',
    versions,
    aliases: state.aliases,
    traffic: state.traffic,
    shadow: state.shadow,
    bytes: newest.files.reduce((sum, file) => sum + file.bytes, 0),
    family: newest.family,
    dimension: kind === 'embedding' && typeof dimension === 'number' ? dimension : null,
    labels: card?.labelCount ?? null,
  }
}
