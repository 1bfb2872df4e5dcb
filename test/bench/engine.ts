import { createBoot } from '../../functions/boot.ts'
import { precisionSchema } from '../../shared/lib/encoder-manifest.ts'
import { type EngineReply, type EngineRequest, SAMPLE_ROWS } from './protocol.ts'

const options = { truncate: true, truncationDirection: 'right', normalize: true } as const

/** The measured process of our own encoder: answers requests of the bench until it is told to stop. */
export async function runEngine(precision: string, root: URL): Promise<void> {
  const boot = createBoot({ root, version: 'bench' })
  const encoder = await boot.openEncoder({ precision: precisionSchema.parse(precision) })
  await encoder.encode(['ready'], options)
  process.on('message', async (request: EngineRequest) => {
    if (request.kind === 'stop') {
      await encoder.close()
      process.disconnect?.()
      return
    }
    try {
      const start = performance.now()
      const batch = await encoder.encode(request.texts, options)
      const ms = performance.now() - start
      const rows = Math.min(SAMPLE_ROWS, request.texts.length)
      const sample = Array.from({ length: rows }, (_, row) =>
        Array.from(batch.vectors.subarray(row * batch.dimension, (row + 1) * batch.dimension)),
      )
      reply({ kind: 'encoded', ms, tokens: [...batch.tokens], sample })
    } catch (error) {
      reply({ kind: 'failed', message: String(error) })
    }
  })
  const { name, version, workers, device } = encoder.info
  reply({ kind: 'ready', detail: `${name}@v${version}, ${workers} workers, ${device}` })
}

function reply(message: EngineReply): void {
  process.send?.(message)
}
