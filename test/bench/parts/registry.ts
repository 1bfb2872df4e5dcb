import { randomBytes } from 'node:crypto'
import { pathToFileURL } from 'node:url'
import { createBoot } from '../../../functions/boot/boot.ts'
import type { Encoder } from '../../../shared/encoder/types.ts'
import { openRegistry } from '../../../shared/registry/registry.ts'
import { openBlobStore } from '../../../shared/registry/stores/open-store.ts'
import type { Registry } from '../../../shared/registry/types.ts'
import { startServer } from '../contestants/server-process.ts'
import type { BenchContext } from '../context.ts'
import type { Address } from '../http/address.ts'
import { withScratchFolder } from '../lib/scratch-folder.ts'
import { median, quantile, spread } from '../lib/statistics.ts'
import { type PartResult, ratioOf } from '../report/part-result.ts'
import { fixed, percent } from '../report/table.ts'
import { headNames, publishHeads } from './make-heads.ts'
import { type Downloads, measureDownloads } from './registry-downloads.ts'

const POLL_SECONDS = 0.5
/** Promotions in each pass, and downloads. */
const PER_PASS = 6
const SHAPE = { kind: '77 labels', classes: 77, detector: true, memoryRows: 0 }
/** Pause between questions to the server. */
const ASK_EVERY_MS = 5
const DEADLINE_MS = 60_000

/** How soon a promotion answers, in a folder and on S3, and how fast files come from S3. */
export async function measureRegistry(context: BenchContext): Promise<PartResult> {
  const bucket = process.env.S3_TEST_ENDPOINT ? (process.env.S3_TEST_BUCKET ?? 'espalier') : null
  const boot = createBoot({ root: pathToFileURL(`${context.root}/`), version: 'bench' })
  const encoder = await boot.openEncoder({ precision: 'int8' })
  const found: { name: string; ms: number[] }[] = []
  try {
    await withScratchFolder(async (folder) => {
      const ms = await measurePromotions(context, encoder, `file:${folder}`)
      found.push({ name: 'a folder', ms })
    })
    if (bucket !== null) {
      const url = `s3://${bucket}/bench-${randomBytes(4).toString('hex')}`
      found.push({ name: 'S3', ms: await measurePromotions(context, encoder, url) })
    }
  } finally {
    await encoder.close()
  }
  context.say('registry: downloads')
  const downloads = bucket && (await measureDownloads(bucket, PER_PASS * context.passes))
  return {
    title: 'The registry',
    method: `From a promotion to the first answer of the new version: a head of 77 labels, a server that looks every ${POLL_SECONDS} s, asked every ${ASK_EVERY_MS} ms. Downloads of 23 MB, hashed and synced, beside a bare GetObject into a file, taking turns.`,
    tables: [
      {
        head: ['registry in', 'promotions', 'p50 ms', 'p95 ms', 'longest ms'],
        words: 1,
        rows: found.map(({ name, ms }) => [
          name,
          fixed(ms.length),
          fixed(quantile(ms, 0.5)),
          fixed(quantile(ms, 0.95)),
          fixed(Math.max(...ms)),
        ]),
      },
      ...(downloads ? [describeDownloads(downloads)] : []),
    ],
    measurements: found.map(({ name, ms }) => {
      return { name: `promotion in ${name}`, unit: 'ms', passes: ms }
    }),
    ratios: downloads ? [ratioOf('registry.download', downloads.bareMs, downloads.oursMs)] : [],
    notes: bucket === null ? ['S3 was not measured: npm run s3 -- npm run bench -- registry'] : [],
  }
}

function describeDownloads({ bareMs, oursMs }: Downloads) {
  const row = (name: string, ms: readonly number[]) => [
    name,
    fixed(median(ms)),
    fixed(Math.min(...ms)),
    percent(spread(ms)),
  ]
  return {
    head: ['23 MB from S3', 'median ms', 'best ms', 'spread'],
    words: 1,
    rows: [row('GetObject into a file', bareMs), row('download, verified', oursMs)],
  }
}

async function measurePromotions(
  context: BenchContext,
  encoder: Encoder,
  url: string,
): Promise<number[]> {
  const registry = openRegistry(await openBlobStore(url))
  const [name = ''] = headNames(SHAPE, 1)
  for (let version = 1; version <= 2; version++) await publishHeads(registry, encoder, SHAPE, 1)
  const own = context.own.server({ precision: 'int8' })
  const env = { ...own.env, ESPALIER_REGISTRY: url, ESPALIER_POLL_SECONDS: String(POLL_SECONDS) }
  const server = await startServer({ ...own, env })
  try {
    const found: number[] = []
    await waitFor(server.address, name, 2)
    for (let i = 0; i < PER_PASS * context.passes; i++) {
      context.say(`registry: promotion ${i + 1} of ${PER_PASS * context.passes}, ${url}`)
      found.push(await promoteOnce(registry, server.address, name, 1 + (i % 2)))
    }
    return found
  } finally {
    await server.stop()
    await registry.close()
  }
}

async function promoteOnce(
  registry: Registry,
  address: Address,
  name: string,
  version: number,
): Promise<number> {
  const started = performance.now()
  await registry.promote(name, version)
  await waitFor(address, name, version)
  return performance.now() - started
}

/** Asks until the version answers. @throws Error when it never does */
async function waitFor({ host, port }: Address, name: string, version: number): Promise<void> {
  const give = performance.now() + DEADLINE_MS
  for (;;) {
    const response = await fetch(`http://${host}:${port}/classify`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ model: name, inputs: 'a short text' }),
    })
    const text = await response.text()
    if (response.ok && text.includes(`"${name}@v${version}"`)) return
    if (performance.now() > give) throw new Error(`${name}@v${version} never answered: ${text}`)
    await new Promise((resolve) => setTimeout(resolve, ASK_EVERY_MS))
  }
}
