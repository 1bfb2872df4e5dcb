import { expect } from 'vitest'
import type { DataFormat, DataSource } from '../../../shared/dataset/types.ts'
import { EspalierError } from '../../../shared/lib/errors.ts'

/** A source over bytes, cut into chunks of the given size so that every boundary is met. */
export function bytesSource(
  content: string | Uint8Array,
  format: DataFormat,
  chunkBytes: number = 1 << 16,
  name = `data.${format}`,
): DataSource {
  const bytes = typeof content === 'string' ? Buffer.from(content) : content
  return {
    name,
    format,
    repeatable: true,
    async *open() {
      for (let at = 0; at < bytes.length; at += chunkBytes) {
        yield bytes.subarray(at, at + chunkBytes)
      }
    },
  }
}

export async function collect<T>(items: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = []
  for await (const item of items) all.push(item)
  return all
}

/** The message of the `invalid_data` error that the work must end in. */
export async function dataFault(work: Promise<unknown>): Promise<string> {
  const error = await work.then(
    () => null,
    (reason: unknown) => reason,
  )
  expect(error).toBeInstanceOf(EspalierError)
  expect((error as EspalierError).code).toBe('invalid_data')
  expect((error as EspalierError).message).not.toContain('\n')
  return (error as EspalierError).message
}
