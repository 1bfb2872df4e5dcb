import type { HeadPlace } from '../../head/columns.ts'
import { EspalierError } from '../../lib/errors.ts'
import { formatModelVersion } from '../../lib/text/model-address.ts'
import type { AcquireOptions, ClassifierLease, LeasedGroup, LeasedHead } from '../classifiers.ts'
import type { ShadowRunner } from '../shadow/shadow-runner.ts'
import type { CachedHead, HeadCache } from './head-cache.ts'
import type { StackLayout, StackLease } from './head-stack.ts'
import type { EncoderHeads, EncoderHeadsLease, HeadsByEncoder } from './heads-by-encoder.ts'
import type { ModelFaults } from './model-faults.ts'
import type { ResolvedClassifier } from './resolve-classifiers.ts'
import { nameParam } from './resolve-classifiers.ts'

/** What heads are leased with. */
export interface LeaseParts {
  readonly cache: HeadCache
  readonly byEncoder: HeadsByEncoder
  readonly runner: ShadowRunner
  readonly faults: Pick<ModelFaults, 'note' | 'clear'>
  /** Most bytes of all heads together. */
  readonly maxBytes: number
}

interface Loaded {
  readonly resolved: ResolvedClassifier
  readonly group: EncoderHeads
  readonly cached: CachedHead
}

/**
 * Loads the heads of a request, and keeps them in the projections of their encoders until they are released.
 * @throws EspalierError `family_mismatch`, `artifact_corrupt`, `registry_unavailable`, `overloaded`,
 * `request_cancelled`, `invalid_request` where they are too large together
 */
export async function leaseHeads(
  parts: LeaseParts,
  resolved: readonly ResolvedClassifier[],
  options: AcquireOptions,
): Promise<ClassifierLease> {
  const releases: (() => void)[] = []
  const release = () => {
    for (const end of releases.splice(0)) end()
  }
  try {
    const found = resolved.map((each) => loadNow(parts, each, releases))
    const loaded = await allOrNone(
      found.map(
        (now, i) =>
          now ?? nameParam(resolved[i]!.param, () => load(parts, resolved[i]!, releases, options)),
      ),
    )
    checkBytes(loaded, parts.maxBytes)
    const heads = loaded.map((each) => describeHead(parts, each, options.routeKey))
    const byEncoder = [...new Set(loaded.map(({ group }) => group))]
    const groups = await allOrNone(
      byEncoder.map((group) => {
        const own = loaded.filter((each) => each.group === group)
        const distinct = [...new Set(own.map(({ cached }) => cached))]
        const describe = (lease: StackLease): LeasedGroup => {
          releases.push(lease.release)
          return {
            group,
            encoder: group.encoder,
            heads: heads.filter((_, i) => loaded[i]!.group === group),
            layout: lease.layout,
          }
        }
        const now = group.stack.leaseNow(distinct)
        return now ? describe(now) : group.stack.lease(distinct, options.signal).then(describe)
      }),
    )
    return { heads, groups, release }
  } catch (error) {
    release()
    throw error
  }
}

/** Waits for all, so that nothing is leased behind the back of a failure; in the usual case for nothing. */
function allOrNone<T>(work: readonly (T | Promise<T>)[]): readonly T[] | Promise<readonly T[]> {
  if (!work.some((each) => each instanceof Promise)) return work as readonly T[]
  return Promise.allSettled(work).then((settled) =>
    settled.map((each) => {
      if (each.status === 'rejected') throw each.reason
      return each.value
    }),
  )
}

/** A head that is loaded and whose encoder is open; null otherwise, and where it does not fit. */
function loadNow(
  { cache, byEncoder }: LeaseParts,
  resolved: ResolvedClassifier,
  releases: (() => void)[],
): Loaded | null {
  const { version } = resolved
  const cached = cache.peek(version)
  const held = cached && byEncoder.hold(version)
  if (!held) return null
  const { group, release } = held
  const { family, dimension } = group.encoder.info
  if (cached.head.family === family && cached.head.dimension === dimension) {
    releases.push(release)
    return { resolved, group, cached }
  }
  release()
  return null
}

async function load(
  { cache, byEncoder, faults }: LeaseParts,
  resolved: ResolvedClassifier,
  releases: (() => void)[],
  { onVersions }: AcquireOptions,
): Promise<Loaded> {
  const { version } = resolved
  try {
    const { group, release }: EncoderHeadsLease = await byEncoder.acquire(version)
    releases.push(release)
    const cached = await cache.get(version, group.encoder.info)
    faults.clear(version)
    return { resolved, group, cached }
  } catch (error) {
    onVersions?.([formatModelVersion(version)])
    await faults.note(version, error)
    throw error
  }
}

function describeHead(
  { runner }: LeaseParts,
  { resolved, cached }: Loaded,
  routeKey: string | undefined,
): LeasedHead {
  const { model, version, isUnqualified } = resolved
  return {
    name: version.name,
    version: version.version,
    head: cached.head,
    answers: cached.answers,
    place: (layout: StackLayout) => layout.places.get(cached) as HeadPlace,
    memory: cached.head.memory ? cached.id : null,
    shadow: isUnqualified ? runner.slot(model, version.version, routeKey) : null,
  }
}

function checkBytes(loaded: readonly Loaded[], limit: number): void {
  const distinct = new Set(loaded.map(({ cached }) => cached))
  const bytes = [...distinct].reduce((sum, head) => sum + head.bytes, 0)
  if (bytes <= limit) return
  throw new EspalierError(
    'invalid_request',
    `the classifiers of this request take ${bytes} bytes together; ESPALIER_HEADS_BYTES allows ${limit}: ask for fewer at once`,
    { param: 'model' },
  )
}
