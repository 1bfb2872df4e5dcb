import { readEncoderCard } from '../encoders/encoder-version.ts'
import { parseModelAddress } from '../lib/text/model-address.ts'
import type { RegistryReader, RegistryVersion } from '../registry/types.ts'
import { readHead, readHeadCard } from './head-version.ts'

/** A measured number of two versions; null where a version does not have it. */
export interface MetricDifference {
  readonly metric: string
  readonly before: number | null
  readonly after: number | null
  /** After minus before; null where one is unknown. */
  readonly delta: number | null
}

/** A fact that is not the same in both. */
export interface FactDifference {
  readonly fact: string
  readonly before: string | null
  readonly after: string | null
}

/** Two versions of a model side by side. */
export interface VersionDiff {
  readonly name: string
  readonly before: RegistryVersion
  readonly after: RegistryVersion
  readonly metrics: readonly MetricDifference[]
  readonly facts: readonly FactDifference[]
  /** Null for encoders. */
  readonly labels: {
    readonly added: readonly string[]
    readonly removed: readonly string[]
    readonly kept: number
  } | null
}

/** What has a version: `v6`, or an alias. */
interface DiffRequest {
  readonly name: string
  readonly before: string
  readonly after: string
  readonly signal?: AbortSignal | undefined
}

/**
 * Compares two versions of a model by their cards.
 * @throws EspalierError `invalid_name`, `model_not_found`, `version_not_found`
 */
export async function diffVersions(
  registry: RegistryReader,
  { name, before: first, after: second, signal }: DiffRequest,
): Promise<VersionDiff> {
  const read = async (selector: string) => {
    const address = `${name}@${selector}`
    parseModelAddress(address)
    const { name: model, version } = await registry.resolve(address, { signal })
    return registry.getVersion(model, version, { signal })
  }
  const before = await read(first)
  const after = await read(second)
  return {
    name: before.name,
    before,
    after,
    metrics: diffMetrics(before, after),
    facts: diffFacts(before, after),
    labels: await diffLabels(registry, before, after, signal),
  }
}

function diffMetrics(before: RegistryVersion, after: RegistryVersion): MetricDifference[] {
  const names = new Set([...Object.keys(before.metrics ?? {}), ...Object.keys(after.metrics ?? {})])
  const number = (value: unknown) => (typeof value === 'number' ? value : null)
  return [...names].flatMap((metric) => {
    const a = number(before.metrics?.[metric])
    const b = number(after.metrics?.[metric])
    if (a === null && b === null) return []
    return [{ metric, before: a, after: b, delta: a === null || b === null ? null : b - a }]
  })
}

function diffFacts(before: RegistryVersion, after: RegistryVersion): FactDifference[] {
  const [a, b] = [collectFacts(before), collectFacts(after)]
  return [...new Set([...a.keys(), ...b.keys()])]
    .map((fact) => ({ fact, before: a.get(fact) ?? null, after: b.get(fact) ?? null }))
    .filter((difference) => difference.before !== difference.after)
}

function collectFacts(version: RegistryVersion): Map<string, string> {
  const facts = new Map<string, string>()
  const add = (fact: string, value: unknown): void => {
    if (value !== undefined && value !== null && value !== '') facts.set(fact, String(value))
  }
  const { lineage = {}, metadata } = version
  add('created', version.createdAt)
  add('by', version.createdBy)
  add('description', version.description)
  add('method', metadata.method)
  add('encoder', lineage.encoder)
  add('precision', lineage.precision)
  add('family', version.family)
  add('fingerprint', version.fingerprint)
  add('data sha256', lineage.dataHash)
  add('test sha256', lineage.testHash)
  add('training rows', lineage.trainRows)
  add('seed', lineage.seed)
  const card = readEncoderCard(version)
  add('dimension', metadata.dimension)
  add('max tokens', card?.maxTokens)
  add('pooling', card?.pooling)
  for (const precision of card?.precisions ?? []) {
    add(`fingerprint ${precision}`, card?.fingerprints[precision])
  }
  const bytes = version.files.reduce((sum, file) => sum + file.bytes, 0)
  add('bytes', bytes)
  return facts
}

async function diffLabels(
  registry: RegistryReader,
  before: RegistryVersion,
  after: RegistryVersion,
  signal: AbortSignal | undefined,
): Promise<VersionDiff['labels']> {
  if (before.kind !== 'classifier') return null
  const labelsOf = async (version: RegistryVersion): Promise<readonly string[]> => {
    const listed = readHeadCard(version)?.labels
    if (listed) return listed
    const address = `${version.name}@v${version.version}`
    return (await readHead(registry, address, signal)).head.labels
  }
  const a = new Set(await labelsOf(before))
  const b = new Set(await labelsOf(after))
  return {
    added: [...b].filter((label) => !a.has(label)),
    removed: [...a].filter((label) => !b.has(label)),
    kept: [...a].filter((label) => b.has(label)).length,
  }
}
