/**
 * `npm run s3 -- tsx infra/s3/download-speed.ts [MEGABYTES] [ROUNDS]`: a store's download, hashed and synced to disk,
 * beside what the SDK alone takes to get the same object into a file; rounds alternate.
 */
import { createHash, randomBytes } from 'node:crypto'
import { createWriteStream } from 'node:fs'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { GetObjectCommand, S3Client } from '@aws-sdk/client-s3'
import { openS3Store } from '../../shared/registry/store-s3.ts'

const [megabytes = '23', rounds = '15'] = process.argv.slice(2)
const bucket = process.env.S3_TEST_BUCKET ?? 'espalier'
const folder = await mkdtemp(join(tmpdir(), 'espalier-speed-'))
const content = randomBytes(Number(megabytes) * 1_000_000)
const sha256 = createHash('sha256').update(content).digest('hex')
const key = `blobs/${sha256}`
const store = await openS3Store(`s3://${bucket}/speed`)
const client = new S3Client({ forcePathStyle: true })

async function getObject(path: string): Promise<void> {
  const command = new GetObjectCommand({ Bucket: bucket, Key: `speed/${key}` })
  const { Body } = await client.send(command)
  await pipeline(Body as Readable, createWriteStream(path))
}

async function download(path: string): Promise<void> {
  const got = await store.download(key, path, { maxBytes: content.length, sha256 })
  if (got?.sha256 !== sha256) throw new Error('the content differs')
}

async function time(action: (path: string) => Promise<void>): Promise<number> {
  const path = join(folder, 'file')
  const started = performance.now()
  await action(path)
  const tookMs = performance.now() - started
  await rm(path)
  return tookMs
}

const median = (values: number[]) => values.toSorted((a, b) => a - b)[values.length >> 1]!
const local = join(folder, 'local')
await writeFile(local, content)
await store.upload(key, local, { sha256 })
const bare: number[] = []
const ours: number[] = []
for (let round = -2; round < Number(rounds); round++) {
  const [plain, full] = [await time(getObject), await time(download)]
  if (round < 0) continue
  bare.push(plain)
  ours.push(full)
}
const describe = (values: number[]) =>
  `median ${median(values).toFixed(0)} ms, best ${Math.min(...values).toFixed(0)} ms`
console.log(`GetObject to a file: ${describe(bare)}`)
console.log(`store.download:      ${describe(ours)}`)
const share = (of: (values: number[]) => number) => `${((100 * of(bare)) / of(ours)).toFixed(0)} %`
console.log(
  `speed: ${share(median)} by medians, ${share((values) => Math.min(...values))} by the best`,
)
await store.delete(key)
await store.close()
client.destroy()
await rm(folder, { recursive: true })
