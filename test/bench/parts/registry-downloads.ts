import { createHash, randomBytes } from 'node:crypto'
import { createWriteStream } from 'node:fs'
import { rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { openS3Store } from '../../../shared/registry/stores/s3/store.ts'
import { withScratchFolder } from '../lib/scratch-folder.ts'

/** An int8 encoder's size. */
const BYTES = 23_000_000
const KEY = 'blobs/speed'

/** Milliseconds of each round. */
export interface Downloads {
  /** The SDK's GetObject into a file, nothing else. */
  readonly bareMs: readonly number[]
  /** The store's download: hashed, bounded and synced to disk. */
  readonly oursMs: readonly number[]
}

/** Downloads one object both ways, taking turns; two rounds that are not counted come first. */
export async function measureDownloads(bucket: string, rounds: number): Promise<Downloads> {
  const { GetObjectCommand, S3Client } = await import('@aws-sdk/client-s3')
  const prefix = `bench-${randomBytes(4).toString('hex')}`
  const store = await openS3Store(`s3://${bucket}/${prefix}`)
  const client = new S3Client({ forcePathStyle: true })
  const content = randomBytes(BYTES)
  const sha256 = createHash('sha256').update(content).digest('hex')
  try {
    return await withScratchFolder(async (folder) => {
      const local = join(folder, 'local')
      await writeFile(local, content)
      await store.upload(KEY, local, { sha256 })
      const time = async (get: (path: string) => Promise<unknown>): Promise<number> => {
        const path = join(folder, 'file')
        const started = performance.now()
        await get(path)
        const tookMs = performance.now() - started
        await rm(path)
        return tookMs
      }
      const getBare = async (path: string) => {
        const command = new GetObjectCommand({ Bucket: bucket, Key: `${prefix}/${KEY}` })
        const { Body } = await client.send(command)
        await pipeline(Body as Readable, createWriteStream(path))
      }
      const getOurs = (path: string) => store.download(KEY, path, { maxBytes: BYTES, sha256 })
      const bareMs: number[] = []
      const oursMs: number[] = []
      for (let round = -2; round < rounds; round++) {
        const [bare, ours] = [await time(getBare), await time(getOurs)]
        if (round < 0) continue
        bareMs.push(bare)
        oursMs.push(ours)
      }
      return { bareMs, oursMs }
    })
  } finally {
    await store.delete(KEY)
    await store.close()
    client.destroy()
  }
}
