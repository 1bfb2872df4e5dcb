import { afterEach, describe, expect, it } from 'vitest'
import { EspalierError } from '../../../shared/lib/errors.ts'
import { silentLogger } from '../../../shared/lib/logger.ts'
import type { EncoderManifest } from '../../../shared/lib/manifests/encoder-manifest.ts'
import { option, say } from '../../../shared/lib/wording.ts'
import { fromWireError, toWireError } from '../../../shared/runtime/protocol.ts'
import { createPool } from '../../../shared/runtime/workers/create-pool.ts'
import type { Pool } from '../../../shared/runtime/workers/pool.ts'

const workerUrl = new URL('../../fakes/fake-encoder-worker.mjs', import.meta.url)
const opened: Pool[] = []

afterEach(async () => {
  await Promise.all(opened.splice(0).map((pool) => pool.close()))
})

const full = Object.assign(new Error('no space left'), { code: 'ENOSPC' })
const error = new EspalierError('overloaded', say`is too much; lower ${option('max-tokens')}`, {
  index: 2,
  place: { source: 'rows.csv', line: 9 },
  param: 'texts[2]',
  retryAfterSeconds: 1.5,
  cause: new EspalierError('artifact_corrupt', 'cut off', { cause: full }),
})

const same = {
  name: 'EspalierError',
  code: error.code,
  message: 'rows.csv line 9 is too much; lower max-tokens',
  wording: error.wording,
  index: 2,
  place: { source: 'rows.csv', line: 9 },
  param: 'texts[2]',
  retryAfterSeconds: 1.5,
  cause: {
    name: 'EspalierError',
    code: 'artifact_corrupt',
    message: 'cut off',
    cause: { name: 'Error', code: 'ENOSPC', message: 'no space left' },
  },
}

describe('an error from a worker', () => {
  it('is the same on the other side of a real thread', async () => {
    const manifest = {} as EncoderManifest
    const init = { artifactDir: 'work', manifest, precision: 'float32', device: 'cpu' } as const
    const pool = await createPool({ workerUrl, init, workers: 1, log: silentLogger, onFree() {} })
    opened.push(pool)
    const inputs = [`fail ${JSON.stringify(toWireError(error))}`]
    const answer = pool.run({ inputs, modes: [], modeOf: new Uint16Array(1) })
    await expect(answer).rejects.toMatchObject(same)
    await expect(answer).rejects.toBeInstanceOf(EspalierError)
  })

  it('survives the clone that threads make', () => {
    expect(fromWireError(structuredClone(toWireError(error)))).toMatchObject(same)
  })

  it('is internal where it is not ours, with what it was as the cause', () => {
    const found = fromWireError(structuredClone(toWireError(full)))
    expect(found).toMatchObject({
      code: 'internal',
      message: 'no space left',
      cause: { code: 'ENOSPC' },
    })
    expect(fromWireError(toWireError('odd')).message).toBe('odd')
  })

  it('has an end to its causes', () => {
    const endless = new Error('x'.repeat(10_000))
    endless.cause = endless
    let cause: unknown = fromWireError(
      toWireError(new EspalierError('internal', 'a', { cause: endless })),
    )
    let depth = 0
    for (; cause instanceof Error; cause = cause.cause) {
      depth++
      expect(cause.message.length).toBeLessThanOrEqual(2_000)
    }
    expect(depth).toBe(5)
  })
})
