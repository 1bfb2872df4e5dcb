import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { createBoot } from '../../../functions/boot/boot.ts'
import type { Encoder } from '../../../shared/encoder/types.ts'
import { isEspalierError } from '../../../shared/lib/errors.ts'
import type { Precision } from '../../../shared/lib/manifests/encoder-manifest.ts'
import { answerParent } from './child.ts'

/** Which encoder a measured process opens, and the images that it encodes. */
export interface ImagesChoice {
  readonly model: string
  readonly precision: Precision
  readonly workers: number
  readonly folder: string
}

export type ImagesRequest =
  /** Encodes all images in one call. */
  | { readonly kind: 'encode' }
  /** Sends so many requests at once, of one large image each, all different. */
  | { readonly kind: 'crowd'; readonly file: string; readonly requests: number }

export type ImagesReply =
  | { readonly kind: 'encode'; readonly ms: number }
  | { readonly kind: 'crowd'; readonly ms: number; readonly refused: number }

const OPTIONS = { truncate: true, truncationDirection: 'right', normalize: true } as const

/** The measured process of our own image encoder: answers the bench until it is told to stop. */
export async function serveImages(choice: ImagesChoice, root: URL): Promise<void> {
  const boot = createBoot({ root, version: 'bench' })
  const encoder = await boot.openEncoder(choice)
  const names = readdirSync(choice.folder).sort()
  const files = names.map((name) => readFileSync(join(choice.folder, name)))
  await encoder.encode(files.slice(0, 4), OPTIONS)
  answerParent<ImagesRequest>(
    `${encoder.info.name}, ${encoder.info.workers} workers`,
    async (request) => {
      if (request.kind === 'crowd') return crowd(encoder, request.file, request.requests)
      const start = performance.now()
      await encoder.encode(files, OPTIONS)
      return { kind: 'encode', ms: performance.now() - start } satisfies ImagesReply
    },
    () => encoder.close(),
  )
}

async function crowd(encoder: Encoder, file: string, requests: number): Promise<ImagesReply> {
  const image = readFileSync(file)
  const start = performance.now()
  const settled = await Promise.allSettled(
    Array.from({ length: requests }, (_, i) => {
      // Bytes behind the end of a JPEG change its hash and nothing else.
      const own = Buffer.concat([image, Buffer.from(String(i))])
      return encoder.encode([own], OPTIONS)
    }),
  )
  const failures = settled.flatMap((each) => (each.status === 'rejected' ? [each.reason] : []))
  const unexpected = failures.find((error) => !isEspalierError(error, 'overloaded'))
  if (unexpected) throw unexpected
  return { kind: 'crowd', ms: performance.now() - start, refused: failures.length }
}
