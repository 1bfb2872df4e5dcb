import { createBoot } from '../../../functions/boot/boot.ts'
import type { Precision } from '../../../shared/lib/manifests/encoder-manifest.ts'
import { answerParent } from './child.ts'
import { type EngineReply, type EngineRequest, SAMPLE_ROWS } from './engine-protocol.ts'

/** Which encoder a measured process opens; what is left out comes from the configuration. */
export interface EngineChoice {
  readonly precision: Precision
  readonly workers?: number
  readonly model?: string
  /** As commands open it that read files; otherwise as a server does. */
  readonly longJobs?: boolean
}

const OPTIONS = { truncate: true, truncationDirection: 'right', normalize: true } as const

/** The measured process of our own encoder: answers the bench until it is told to stop. */
export async function serveEngine(choice: EngineChoice, root: URL): Promise<void> {
  const boot = createBoot({ root, version: 'bench' })
  const encoder = await boot.openEncoder({ longJobs: false, ...choice })
  await encoder.encode(['ready'], OPTIONS)
  const { name, version, workers, device } = encoder.info
  answerParent<EngineRequest>(
    `${name}@v${version}, ${workers} ${workers === 1 ? 'worker' : 'workers'}, ${device}`,
    async ({ kind, texts }) => (kind === 'each' ? each(texts) : all(texts)),
    () => encoder.close(),
  )

  async function all(texts: readonly string[]): Promise<EngineReply> {
    const start = performance.now()
    const batch = await encoder.encode(texts, OPTIONS)
    const ms = performance.now() - start
    const rows = Math.min(SAMPLE_ROWS, texts.length)
    const sample = Array.from({ length: rows }, (_, row) =>
      Array.from(batch.vectors.subarray(row * batch.dimension, (row + 1) * batch.dimension)),
    )
    return { kind: 'encode', ms, tokens: [...batch.tokens], sample }
  }

  async function each(texts: readonly string[]): Promise<EngineReply> {
    const latenciesMs: number[] = []
    for (const text of texts) {
      const start = performance.now()
      await encoder.encode([text], OPTIONS)
      latenciesMs.push(performance.now() - start)
    }
    return { kind: 'each', latenciesMs }
  }
}
