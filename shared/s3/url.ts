import { EspalierError } from '../lib/errors.ts'
import { quote } from '../lib/text/text.ts'

/** Where a registry lies on S3; what is undefined comes from the AWS environment. */
export interface S3Location {
  readonly bucket: string
  /** What every key begins with: empty, or ending in a slash. */
  readonly prefix: string
  readonly region: string | undefined
  readonly endpoint: string | undefined
  readonly pathStyle: boolean | undefined
}

const FORM = 's3://bucket/prefix, with ?region=, ?endpoint= and ?path-style= where they are needed'
/** Rules of bucket names in the S3 user guide. */
const BUCKET = /^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/
/** S3 bounds keys at 1,024 bytes, and the store's own at 512. */
const MAX_PREFIX_LENGTH = 500
const PREFIX_SEGMENT = /^[A-Za-z0-9][A-Za-z0-9!_.*'()-]*$/
const REGION = /^[a-z0-9-]{1,63}$/
const OPTIONS = ['region', 'endpoint', 'path-style']

/**
 * Reads `s3://bucket/prefix?region=…&endpoint=…&path-style=true`.
 * @throws EspalierError `invalid_config` that never repeats what might be a secret
 */
export function parseS3Url(url: string): S3Location {
  const match = /^s3:\/\/([^/?#]*)([^?#]*)(?:\?([^#]*))?$/.exec(url)
  const bucket = match?.[1] ?? ''
  if (bucket.includes('@') || bucket.includes(':')) {
    throw invalid('credentials do not belong into the URL; set AWS_ACCESS_KEY_ID or AWS_PROFILE')
  }
  if (match === null) throw invalid(`expected ${FORM}`)
  if (!BUCKET.test(bucket) || bucket.includes('..')) {
    throw invalid(`${quote(bucket)} is not a bucket name; expected ${FORM}`)
  }
  const query = new URLSearchParams(match[3] ?? '')
  const unknown = [...query.keys()].find((name) => !OPTIONS.includes(name))
  if (unknown !== undefined) {
    throw invalid(`there is no option ${quote(unknown)}; there are ${OPTIONS.join(', ')}`)
  }
  return {
    bucket,
    prefix: parsePrefix(match[2] ?? ''),
    region: parseRegion(query.get('region')),
    endpoint: parseEndpoint(query.get('endpoint')),
    pathStyle: parseFlag(query.get('path-style')),
  }
}

function parsePrefix(path: string): string {
  const trimmed = path.replace(/^\//, '').replace(/\/$/, '')
  if (trimmed === '') return ''
  const segments = trimmed.split('/')
  const allowed = segments.every((name) => PREFIX_SEGMENT.test(name) && !name.includes('..'))
  if (allowed && trimmed.length <= MAX_PREFIX_LENGTH) return `${trimmed}/`
  throw invalid(
    `the prefix ${quote(trimmed)} is not allowed: names of letters, digits and !_.*'()- joined by "/", without "..", ${MAX_PREFIX_LENGTH} characters in all`,
  )
}

function parseRegion(region: string | null): string | undefined {
  if (region === null || REGION.test(region)) return region ?? undefined
  throw invalid(`${quote(region)} is not a region`)
}

function parseEndpoint(endpoint: string | null): string | undefined {
  if (endpoint === null) return undefined
  const parsed = URL.canParse(endpoint) ? new URL(endpoint) : null
  if (parsed?.username || parsed?.password) {
    throw invalid('credentials do not belong into the endpoint; set AWS_ACCESS_KEY_ID')
  }
  if (parsed === null || !/^https?:$/.test(parsed.protocol) || parsed.search || parsed.hash) {
    throw invalid('the endpoint must be a URL such as https://s3.example.com')
  }
  return endpoint
}

function parseFlag(flag: string | null): boolean | undefined {
  if (flag === null) return undefined
  if (flag === 'true' || flag === 'false') return flag === 'true'
  throw invalid(`path-style is true or false, not ${quote(flag)}`)
}

function invalid(why: string): EspalierError {
  return new EspalierError('invalid_config', why, {
    place: { source: 'registry on S3' },
    param: 'ESPALIER_REGISTRY',
  })
}
