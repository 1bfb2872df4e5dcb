import { mkdir, mkdtemp, readdir, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { EspalierError } from '../lib/errors.ts'
import type { Progress } from '../lib/logger.ts'
import { formatModelVersion, parseModelAddress } from '../lib/text/model-address.ts'
import type { ModelState } from '../registry/records/state.ts'
import type { Registry, RegistryReader } from '../registry/types.ts'

const PREFIX = 'transfer-'
/** A folder that nothing was done to for this long is of a transfer that was killed. */
const STALE_MS = 7 * 86_400_000

/** What to copy from one registry to another. */
export interface TransferRequest {
  readonly source: RegistryReader
  readonly target: Registry
  /** `name`, `name@alias` or `name@v7`; every model where it is left out. */
  readonly address?: string | undefined
  /** Every version of the model, not only the one that its name means. */
  readonly all: boolean
  /** Keep version numbers, or fail where one is another version's. */
  readonly keepVersions: boolean
  /** Also move the target's aliases to copied versions that the source's aliases mean. */
  readonly aliases: boolean
  readonly by?: string | undefined
  readonly reason?: string | undefined
  /** Where files lie on their way; only a folder of its own in it is touched. */
  readonly scratch: string
  readonly onProgress?: Progress | undefined
  readonly signal?: AbortSignal | undefined
}

/** One version and what became of it: `deleted` where the target had it and deleted it. */
export interface TransferredVersion {
  readonly name: string
  readonly from: number
  readonly to: number
  readonly status: 'copied' | 'present' | 'deleted'
}

/** An alias of the target that was moved. */
export interface MovedAlias {
  readonly name: string
  readonly alias: string
  readonly from: number | null
  readonly to: number
}

/** What a transfer did. */
export interface TransferResult {
  readonly versions: readonly TransferredVersion[]
  readonly aliases: readonly MovedAlias[]
}

/**
 * Copies versions from one registry to another, oldest first, each whole or not at all; what is there already
 * is left alone, so that a transfer that was cut off is simply run again.
 * @throws EspalierError `invalid_request`, `model_not_found`, `version_not_found`, `version_conflict` where a
 * number that is to be kept is taken
 */
export async function transferModels(request: TransferRequest): Promise<TransferResult> {
  const { source, target, keepVersions, scratch, onProgress, signal } = request
  const wanted = await selectVersions(request)
  await mkdir(scratch, { recursive: true })
  await removeStale(scratch)
  const folder = await mkdtemp(join(scratch, PREFIX))
  const versions: TransferredVersion[] = []
  try {
    for (const { name, version: from } of wanted) {
      onProgress?.('copying versions', versions.length, wanted.length)
      const version = await source.getVersion(name, from, { signal })
      const options = { folder, keepVersion: keepVersions, signal }
      const { status, version: to } = await target.adopt(source, version, options)
      versions.push({ name, from, to, status })
    }
    onProgress?.('copying versions', versions.length, wanted.length)
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
  return { versions, aliases: request.aliases ? await moveAliases(request, versions) : [] }
}

/** Takes away what transfers left that were killed. */
async function removeStale(scratch: string): Promise<void> {
  for (const name of await readdir(scratch)) {
    const path = join(scratch, name)
    const info = await stat(path).catch(() => null)
    const stale = info !== null && Date.now() - info.mtimeMs > STALE_MS
    if (stale && name.startsWith(PREFIX)) await rm(path, { recursive: true, force: true })
  }
}

async function selectVersions({
  source,
  address,
  all,
  signal,
}: TransferRequest): Promise<{ name: string; version: number }[]> {
  if (address === undefined) {
    const models = await source.listModels({ signal })
    // Built-in models are there wherever the product is.
    const own = models.filter(({ origin }) => origin === 'registry')
    return own.flatMap(({ name, versions }) => versions.map((version) => ({ name, version })))
  }
  const { name, selector } = parseModelAddress(address)
  if (!all) {
    const { version } = await source.resolve(address, { signal })
    return [{ name, version }]
  }
  if (selector.kind !== 'default') {
    throw new EspalierError(
      'invalid_request',
      `${address} is one version; for all versions write ${name}`,
    )
  }
  const versions = await source.listVersions(name, { signal })
  if (versions.length === 0) {
    throw new EspalierError('model_not_found', `no model "${name}" in ${source.url}`)
  }
  return versions.map((version) => ({ name, version }))
}

async function moveAliases(
  { source, target, by, reason, signal }: TransferRequest,
  versions: readonly TransferredVersion[],
): Promise<MovedAlias[]> {
  const moved: MovedAlias[] = []
  for (const name of new Set(versions.map((version) => version.name))) {
    const copies = versions.filter(
      (version) => version.name === name && version.status !== 'deleted',
    )
    const { aliases } = await readStateOf(source, name, signal)
    for (const [alias, from] of Object.entries(aliases)) {
      const copy = copies.find((candidate) => candidate.from === from)
      if (copy === undefined) continue
      const before = (await readStateOf(target, name, signal)).aliases[alias] ?? null
      if (before === copy.to) continue
      const why =
        reason ?? `copied from ${formatModelVersion({ name, version: from })} of ${source.url}`
      await target.promote(name, copy.to, {
        alias,
        ifCurrent: before,
        by,
        reason: why.slice(0, 500),
        signal,
      })
      moved.push({ name, alias, from: before, to: copy.to })
    }
  }
  return moved
}

async function readStateOf(
  registry: RegistryReader,
  name: string,
  signal: AbortSignal | undefined,
): Promise<Pick<ModelState, 'aliases'>> {
  const reading = await registry.readState(name, { signal })
  return reading.status === 'found' ? reading.state : { aliases: {} }
}
