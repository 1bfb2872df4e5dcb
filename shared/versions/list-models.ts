import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { z } from 'zod'
import { type ArtifactOptions, listBuiltins } from '../encoders/encoder-artifacts.ts'
import { EspalierError } from '../lib/errors.ts'
import { CHAMPION } from '../lib/text/model-address.ts'
import type { BrokenModel } from '../registry/list-records.ts'
import type { ModelSummary as RegistryModel, RegistryReader } from '../registry/types.ts'
import { readHeadCard } from './head-version.ts'

/** A model of the registry, or a built-in one, as lists show it without loading it. */
export interface ModelSummary {
  readonly name: string
  /** Null where no record of it can be read. */
  readonly kind: 'embedding' | 'classifier' | null
  readonly source: 'built-in' | 'registry'
  /** Ascending. */
  readonly versions: readonly number[]
  readonly aliases: Readonly<Record<string, number>>
  /** Shares of the requests for the bare name; null where the champion answers all. */
  readonly traffic: readonly { readonly version: number; readonly percent: number }[] | null
  /** The version that scores a sample of requests without answering them. */
  readonly shadow: { readonly version: number; readonly samplePercent: number } | null
  /** Bytes of the newest version's files. */
  readonly bytes: number
  /** Null where its newest version cannot be read. */
  readonly family: string | null
  /** Encoders: the length of a vector. */
  readonly dimension: number | null
  /** Classifiers: how many labels there are. */
  readonly labels: number | null
  /** Why a record of it cannot be read; null where all of them can. */
  readonly broken: string | null
}

/** Every model that can be named: the built-in encoders, then what the registry has, by name. */
export async function listModels(
  artifacts: Pick<ArtifactOptions, 'builtinFolder'>,
  registry: RegistryReader,
): Promise<ModelSummary[]> {
  const encoders = await summarizeBuiltins(artifacts)
  const broken = new Map<string, string>()
  const onBroken = ({ name, reason }: BrokenModel) => void broken.set(name, reason)
  const models = await registry.listModels({ onBroken })
  const listed: ModelSummary[] = []
  for (const model of models) {
    listed.push(await summarizeModel(registry, model, broken.get(model.name) ?? null))
    broken.delete(model.name)
  }
  for (const [name, reason] of broken) listed.push({ ...UNKNOWN, name, broken: reason })
  listed.sort((a, b) => (a.name < b.name ? -1 : 1))
  return [...encoders, ...listed]
}

/** What is known of a model of which nothing can be read. */
const UNKNOWN = {
  kind: null,
  source: 'registry',
  versions: [],
  aliases: {},
  traffic: null,
  shadow: null,
  bytes: 0,
  family: null,
  dimension: null,
  labels: null,
} as const

/** A model of the registry, described by its newest version. */
async function summarizeModel(
  registry: RegistryReader,
  { name, kind, versions, state, origin }: RegistryModel,
  fault: string | null,
): Promise<ModelSummary> {
  let broken = fault
  const newest = await registry.getVersion(name, versions.at(-1)!).catch((error: unknown) => {
    if (!(error instanceof EspalierError) || error.code === 'registry_unavailable') throw error
    broken ??= error.message
    return null
  })
  const card = newest && kind === 'classifier' ? readHeadCard(newest) : null
  const dimension = newest?.metadata.dimension
  return {
    name,
    kind,
    source: origin === 'builtin' ? 'built-in' : 'registry',
    versions,
    aliases: state.aliases,
    traffic: state.traffic,
    shadow: state.shadow,
    bytes: newest?.files.reduce((sum, file) => sum + file.bytes, 0) ?? 0,
    family: newest?.family ?? null,
    dimension: kind === 'embedding' && typeof dimension === 'number' ? dimension : null,
    labels: card?.labelCount ?? null,
    broken,
  }
}

const hiddenSchema = z.looseObject({ hidden_size: z.number() })

/** The built-in encoders as lists show them, read from their configuration without an export. */
export async function summarizeBuiltins(
  options: Pick<ArtifactOptions, 'builtinFolder'>,
): Promise<ModelSummary[]> {
  const builtins = await listBuiltins(options)
  return Promise.all(
    builtins.map(async ({ name, folder, family, bytes, dimension }) => {
      const path = join(options.builtinFolder, folder, 'config.json')
      const readWidth = async () => hiddenSchema.parse(JSON.parse(await readFile(path, 'utf8')))
      return {
        name,
        kind: 'embedding' as const,
        source: 'built-in' as const,
        versions: [1],
        aliases: { [CHAMPION]: 1 },
        traffic: null,
        shadow: null,
        bytes,
        family,
        dimension: dimension ?? (await readWidth()).hidden_size,
        labels: null,
        broken: null,
      }
    }),
  )
}
