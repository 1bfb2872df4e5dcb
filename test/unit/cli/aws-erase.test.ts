import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { createFakeBoot } from '../../fakes/fake-boot.ts'
import { errorAnswer, FakeBucket, type S3Answer, type S3Request } from '../../fakes/fake-bucket.ts'
import { type FakeS3, refuse, startFakeS3 } from '../../fakes/fake-s3.ts'
import { runCommand } from './run.ts'

interface Version {
  readonly key: string
  readonly id: string
  readonly marker?: true
}

/** A bucket that keeps versions, as far as erasing them goes; pages have two. */
class VersionedBucket extends FakeBucket {
  versions: Version[] = []
  refuses = false

  override handle(request: S3Request): S3Answer {
    const { method, query } = request
    if (method === 'GET' && query.has('versions')) return this.#listVersions(query)
    if (method === 'POST' && query.has('delete')) return this.#erase(request.body.toString())
    return errorAnswer(405, 'MethodNotAllowed')
  }

  #listVersions(query: URLSearchParams): S3Answer {
    const found = this.versions.filter(({ key }) => key.startsWith(query.get('prefix') ?? ''))
    const after = query.get('version-id-marker')
    const start = after === null ? 0 : found.findIndex(({ id }) => id === after) + 1
    const page = found.slice(start, start + 2)
    const last = page.at(-1)
    const truncated = start + 2 < found.length
    const rows = page.map(({ key, id, marker }) =>
      marker
        ? `<DeleteMarker><Key>${key}</Key><VersionId>${id}</VersionId></DeleteMarker>`
        : `<Version><Key>${key}</Key><VersionId>${id}</VersionId><Size>1000</Size></Version>`,
    )
    const next = truncated
      ? `<NextKeyMarker>${last?.key}</NextKeyMarker><NextVersionIdMarker>${last?.id}</NextVersionIdMarker>`
      : ''
    return xml(
      `<ListVersionsResult><IsTruncated>${truncated}</IsTruncated>${next}${rows.join('')}</ListVersionsResult>`,
    )
  }

  #erase(body: string): S3Answer {
    const ids = [...body.matchAll(/<VersionId>([^<]+)</g)].map(([, id]) => id)
    if (this.refuses) {
      return xml(
        '<DeleteResult><Error><Key>rows/a.csv</Key><Code>AccessDenied</Code><Message>no</Message></Error></DeleteResult>',
      )
    }
    this.versions = this.versions.filter(({ id }) => !ids.includes(id))
    return xml('<DeleteResult></DeleteResult>')
  }
}

function xml(body: string): S3Answer {
  return { status: 200, headers: { 'content-type': 'application/xml' }, body: Buffer.from(body) }
}

let bucket: VersionedBucket
let s3: FakeS3
beforeEach(async () => {
  bucket = new VersionedBucket()
  bucket.versions = [
    { key: 'rows/a.csv', id: 'a1' },
    { key: 'rows/a.csv', id: 'a2' },
    { key: 'rows/a.csv', id: 'a3', marker: true },
    { key: 'rows/a.csv.bak', id: 'b1' },
    { key: 'rows/deep/c.csv', id: 'c1' },
    { key: 'rows-of-others/d.csv', id: 'd1' },
  ]
  s3 = await startFakeS3(bucket)
  vi.stubEnv('AWS_ACCESS_KEY_ID', 'key')
  vi.stubEnv('AWS_SECRET_ACCESS_KEY', 'secret')
})
afterEach(async () => {
  vi.unstubAllEnvs()
  await s3.close()
})

const erase = (path: string, ...flags: string[]) =>
  runCommand(['aws', 'erase', s3.url(path), ...flags], { boot: createFakeBoot() })
const left = () => bucket.versions.map(({ id }) => id)

describe('erasing rows', () => {
  it('deletes an object with all its versions and markers, and no other', async () => {
    const { code, stdout, stderr } = await erase('rows/a.csv', '--yes')
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
    expect(stdout).toMatch(/^erased 1 object at .*, 3 versions \(2\.0 KB\)\n/)
    expect(stdout).toContain('keep what they learnt')
    expect(left()).toEqual(['b1', 'c1', 'd1'])
  })

  it('deletes a folder, and not one whose name begins the same', async () => {
    const { code, stdout } = await erase('rows/', '--yes', '--json')
    expect(code).toBe(0)
    expect(JSON.parse(stdout)).toMatchObject({
      erased: true,
      objects: ['rows/a.csv', 'rows/a.csv.bak', 'rows/deep/c.csv'],
      versions: 5,
      bytes: 4000,
    })
    expect(left()).toEqual(['d1'])
  })

  it('only says what it would erase with --dry-run', async () => {
    const { code, stdout } = await erase('rows/a.csv', '--dry-run')
    expect(code).toBe(0)
    expect(stdout).toMatch(/^would erase 1 object .*:\n {2}rows\/a\.csv\n/)
    expect(left()).toHaveLength(6)
  })

  it('erases nothing that was not confirmed', async () => {
    const { code, stderr } = await erase('rows/a.csv')
    expect(code).toBe(2)
    expect(stderr).toContain('pass --yes to do it')
    expect(left()).toHaveLength(6)
  })

  it.each([
    ['', 'is a whole bucket'],
    ['nothing.csv', 'there is nothing at'],
  ])('refuses "%s"', async (path, message) => {
    const { code, stderr } = await erase(path, '--yes')
    expect(code).toBe(2)
    expect(stderr).toContain(message)
    expect(left()).toHaveLength(6)
  })

  it('names the right that is missing', async () => {
    s3.script(refuse(403, 'AccessDenied'))
    const { code, stderr } = await erase('rows/a.csv', '--yes')
    expect(code).toBe(1)
    expect(stderr).toContain('s3:ListBucketVersions')
  })

  it('says what stays where S3 refuses', async () => {
    bucket.refuses = true
    const { code, stderr } = await erase('rows/a.csv', '--yes')
    expect(code).toBe(1)
    expect(stderr).toContain('cannot delete rows/a.csv')
    expect(stderr).toContain('s3:DeleteObjectVersion')
  })
})
