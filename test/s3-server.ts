import { randomUUID } from 'node:crypto'
import { afterAll, describe, expect, it } from 'vitest'
import type { BlobStore } from '../shared/registry/stores/blob-store.ts'
import { openS3Store } from '../shared/registry/stores/s3/store.ts'
import type { S3StoreOptions } from '../shared/s3/client.ts'

/** The real S3 server that tests may use, as `npm run s3` announces it. */
export interface S3UnderTest {
  readonly options: S3StoreOptions
  /** What a process needs to reach it. */
  readonly env: Readonly<Record<string, string>>
  /** A place where nothing is yet; emptied after the tests. */
  newUrl(): string
  open(): Promise<BlobStore>
}

/**
 * Tests on a real S3 server. Without S3_TEST_ENDPOINT they are skipped, saying so; with S3_REQUIRED=1 they fail
 * instead.
 */
export function describeOnS3(title: string, define: (s3: S3UnderTest) => void): void {
  const endpoint = process.env.S3_TEST_ENDPOINT
  if (endpoint) {
    describe(title, () => define(useServer(endpoint)))
  } else if (process.env.S3_REQUIRED === '1') {
    it(`${title}: has an S3 server`, () => {
      expect.fail('S3_REQUIRED=1, but S3_TEST_ENDPOINT is not set; see "npm run s3"')
    })
  } else {
    const why = 'skipped: no S3_TEST_ENDPOINT; "npm run s3" starts a server'
    describe.skip(`${title} (${why})`, () => define(useServer('http://none')))
  }
}

function useServer(endpoint: string): S3UnderTest {
  const env = {
    AWS_ACCESS_KEY_ID: process.env.S3_TEST_ACCESS_KEY ?? 'testkey',
    AWS_SECRET_ACCESS_KEY: process.env.S3_TEST_SECRET_KEY ?? 'testsecret123',
    AWS_REGION: 'us-east-1',
    AWS_ENDPOINT_URL_S3: endpoint,
  }
  const bucket = process.env.S3_TEST_BUCKET ?? 'espalier'
  const options: S3StoreOptions = {
    credentials: {
      accessKeyId: env.AWS_ACCESS_KEY_ID,
      secretAccessKey: env.AWS_SECRET_ACCESS_KEY,
    },
  }
  const urls: string[] = []
  afterAll(async () => {
    for (const url of urls) await empty(await openS3Store(url, options))
  })
  const newUrl = () => {
    const query = `region=${env.AWS_REGION}&endpoint=${encodeURIComponent(endpoint)}`
    const url = `s3://${bucket}/test/${randomUUID()}?${query}`
    urls.push(url)
    return url
  }
  return { options, env, newUrl, open: () => openS3Store(newUrl(), options) }
}

async function empty(store: BlobStore): Promise<void> {
  const keys: string[] = []
  for await (const { key } of store.list('')) keys.push(key)
  const queue = keys.values()
  const work = async () => {
    for (const key of queue) await store.delete(key)
  }
  await Promise.all(Array.from({ length: 16 }, work))
  await store.close()
}
