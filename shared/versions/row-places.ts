import { z } from 'zod'
import type { RegistryVersion } from '../registry/types.ts'

/** What rows were for. */
export type RowUse = 'train' | 'test' | 'target'

const placeSchema = z.object({
  use: z.enum(['train', 'test', 'target']),
  /** `s3://bucket/key`, with region and endpoint where they were given; absent for rows that did not come from S3. */
  url: z.string().startsWith('s3://').optional(),
  /** The version of the object that was read, where its bucket keeps versions. */
  versionId: z.string().optional(),
})
/** Where rows of a training came from; nothing is kept of a path. */
export type RowPlace = z.infer<typeof placeSchema>

/** A source of rows, as far as it says where they lie. */
interface RowSource {
  readonly object?: (() => Pick<RowPlace, 'url' | 'versionId'>) | undefined
}

/** The field of a lineage. */
const FIELD = 'rows'

/**
 * The part of a lineage that says where rows lie, once they were read; empty where none came from S3, so that a
 * training on files says of them what it always did.
 */
export function describeRowPlaces(
  sources: Readonly<Partial<Record<RowUse, RowSource | undefined>>>,
): Readonly<Record<string, readonly RowPlace[]>> {
  const uses = ['train', 'test', 'target'] as const
  const places = uses.flatMap((use): RowPlace[] => {
    const source = sources[use]
    return source === undefined ? [] : [{ use, ...source.object?.() }]
  })
  return places.some(({ url }) => url !== undefined) ? { [FIELD]: places } : {}
}

/** Where the rows of a version came from; null where it does not say, as those of earlier releases and of files. */
export function readRowPlaces({ lineage }: RegistryVersion): readonly RowPlace[] | null {
  const places = z.array(placeSchema).min(1).safeParse(lineage?.[FIELD])
  return places.success ? places.data : null
}
