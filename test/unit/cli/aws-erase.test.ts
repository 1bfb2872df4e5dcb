import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { openRegistry } from '../../../shared/registry/registry.ts'
import { openMemoryStore } from '../../../shared/registry/stores/memory/store.ts'
import { createFakeBoot } from '../../fakes/fake-boot.ts'
import { FakeBucket, type S3Answer, type S3Request } from '../../fakes/fake-bucket.ts'
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
    return this.#read(request)
  }

  /** Rows of a training, with the version that they are. */
  #read(request: S3Request): S3Answer {
    const answer = super.handle(request)
    const id = this.versions.findLast(({ key }) => key === request.key)?.id
    if (answer.status >= 300 || id === undefined) return answer
    return { ...answer, headers: { ...answer.headers, 'x-amz-version-id': id } }
  }

  #listVersions(query: URLSearchParams): S3Answer {
    const found = this.versions.filter(({ key }) => key.startsWith(query.get('prefix') ?? ''))
    const after = query.get('version-id-marker')
    const start = after === null ? 0 : found.findIndex(({ id }) => id === after) + 1
    const page = found.slice(start, start + 2)
    const last = page.at(-1)
    const truncated = start + 2 < found.length
    const rows = page.map(({ key, id, marker }) => {
      const isLatest = this.versions.findLast((each) => each.key === key)?.id === id
      const body = `<Key>${key}</Key><VersionId>${id}</VersionId><IsLatest>${isLatest}</IsLatest>`
      return marker
        ? `<DeleteMarker>${body}</DeleteMarker>`
        : `<Version>${body}<Size>1000</Size></Version>`
    })
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
let folder: string
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

describe('erasing the rows of a version', () => {
  const registry = () => openRegistry(openMemoryStore())
  let boot: ReturnType<typeof createFakeBoot>
  const run = (...argv: string[]) => runCommand(argv, { boot })

  async function put(key: string, id: string, part: string): Promise<void> {
    const rows = Array.from({ length: 12 }, (_, i) => `${part} ${i},${i % 2 ? 'odd' : 'even'}`)
    const body = Buffer.from(`text,label\n${rows.join('\n')}\n`)
    const headers = {}
    FakeBucket.prototype.handle.call(bucket, {
      ...{ method: 'PUT', key, query: new URLSearchParams(), headers, body },
    })
    bucket.versions.push({ key, id })
  }

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'espalier-erase-'))
    boot = createFakeBoot({
      encoder: { dimension: 16 },
      registry: registry(),
      cacheFolder: join(folder, 'cache'),
    })
    await put('rows/a.csv', 'a4', 'learn')
    await put('rows/t.csv', 't1', 'test')
    const train = await run(
      ...['train', s3.url('rows/a.csv'), '--test', s3.url('rows/t.csv')],
      ...['--name', 'ticket', '--method', 'ncm', '-q'],
    )
    expect(train).toMatchObject({ code: 0, stderr: '' })
  })
  afterEach(() => rm(folder, { recursive: true, force: true }))

  it('finds them by what the lineage says, and nothing beside them', async () => {
    const version = await (await boot.openRegistry()).getVersion('ticket', 1)
    expect(version.lineage?.rows).toEqual([
      { use: 'train', url: s3.url('rows/a.csv'), versionId: 'a4' },
      { use: 'test', url: s3.url('rows/t.csv'), versionId: 't1' },
    ])
    const shown = (await run('show', 'ticket@v1')).stdout
    expect(shown).toMatch(/train rows +s3:\/\/fake-bucket\/rows\/a\.csv, version a4\n/)
    const planned = await run('aws', 'erase', 'ticket@v1', '--dry-run')
    expect(planned.stdout).toMatch(
      /^would erase 1 object of train rows at s3:\/\/fake-bucket\/rows\/a\.csv, 4 versions .*:\n {2}rows\/a\.csv\nwould erase 1 object of test rows at .*t\.csv, 1 version .*:\n {2}rows\/t\.csv\n/,
    )
    expect(left()).toHaveLength(8)
    expect(await run('aws', 'erase', 'ticket@v1')).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('pass --yes to do it'),
    })
    expect(left()).toHaveLength(8)
    const erased = await run('aws', 'erase', 'ticket@v1', '--yes')
    expect(erased).toMatchObject({ code: 0, stderr: '' })
    expect(erased.stdout).toContain('keep what they learnt')
    expect(left()).toEqual(['b1', 'c1', 'd1'])
    const again = await run('aws', 'erase', 'ticket@v1', '--yes')
    expect(again).toMatchObject({ code: 2, stderr: expect.stringContaining('there is nothing at') })
  })

  it('says where an object was written again, as JSON too', async () => {
    await put('rows/a.csv', 'a5', 'newer')
    const { code, stdout } = await run('aws', 'erase', 'ticket@v1', '--yes', '--json')
    expect(code).toBe(0)
    expect(JSON.parse(stdout)).toMatchObject({
      erased: true,
      model: 'ticket@v1',
      unknown: [],
      places: [
        {
          use: 'train',
          objects: ['rows/a.csv'],
          versions: 5,
          note: expect.stringContaining('was written again since; what was read is its version a4'),
        },
        { use: 'test', objects: ['rows/t.csv'], versions: 1, note: null },
      ],
    })
    expect(left()).toEqual(['b1', 'c1', 'd1'])
  })

  it('says which rows it does not know, and never a path', async () => {
    const local = join(folder, 'own-test.csv')
    await writeFile(local, 'text,label\na,odd\nb,even\n')
    await run(
      ...['train', s3.url('rows/a.csv'), '--test', local],
      ...['--name', 'mixed', '--method', 'ncm', '-q'],
    )
    const { lineage } = await (await boot.openRegistry()).getVersion('mixed', 1)
    expect(lineage?.rows).toEqual([
      { use: 'train', url: s3.url('rows/a.csv'), versionId: 'a4' },
      { use: 'test' },
    ])
    const { stdout } = await run('aws', 'erase', 'mixed@v1', '--yes')
    expect(stdout).toContain('its test rows did not come from S3: erase them where they lie')
    expect(left()).toEqual(['b1', 'c1', 'd1', 't1'])
  })

  it('knows the rows of both domains of an adaptation', async () => {
    const adapt = ['adapt', s3.url('rows/a.csv'), s3.url('rows/t.csv'), '--name', 'moved', '-q']
    expect(await run(...adapt)).toMatchObject({ code: 0 })
    const { lineage } = await (await boot.openRegistry()).getVersion('moved', 1)
    expect(lineage?.rows).toEqual([
      { use: 'train', url: s3.url('rows/a.csv'), versionId: 'a4' },
      { use: 'target', url: s3.url('rows/t.csv'), versionId: 't1' },
    ])
    expect((await run('aws', 'erase', 'moved@v1', '--yes')).stdout).toContain('of target rows')
    expect(left()).toEqual(['b1', 'c1', 'd1'])
  })

  it('refuses a version that says nothing, with its command line', async () => {
    const local = join(folder, 'rows.csv')
    await writeFile(local, 'text,label\na,odd\nb,even\nc,odd\nd,even\n')
    await run('train', local, '--name', 'own', '--method', 'ncm', '-q')
    const { lineage } = await (await boot.openRegistry()).getVersion('own', 1)
    expect(Object.keys(lineage ?? {})).not.toContain('rows')
    const refused = await run('aws', 'erase', 'own@v1', '--yes')
    expect(refused).toMatchObject({ code: 2, stdout: '' })
    expect(refused.stderr).toContain('own@v1 does not say where its rows lie')
    expect(refused.stderr).toContain(`espalier train ${local}`)
    expect(await run('aws', 'erase', 'nobody@v1', '--yes')).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('no model "nobody"'),
    })
  })
})
