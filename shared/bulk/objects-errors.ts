import { EspalierError } from '../lib/errors.ts'
import type { S3Connection } from '../s3/client.ts'
import { explainFailure, type S3Verb } from '../s3/errors.ts'

/** Where objects are, and what the user calls it. */
export interface ObjectPlace {
  readonly connection: S3Connection
  readonly url: string
}

/** The error of a failed request, in words about shards instead of a registry. */
export function explain(place: ObjectPlace, verb: S3Verb, key: string, error: unknown): unknown {
  if (error instanceof EspalierError) return error
  if (error instanceof Error && error.name === 'AbortError') return error
  const explained = explainFailure(place.connection, verb, key, error)
  const message = explained.message
    .replace('or correct ESPALIER_REGISTRY', 'or correct the URL')
    .replace(place.connection.url, place.url.split('?')[0]!)
  return new EspalierError('registry_unavailable', message, { cause: explained.cause })
}
