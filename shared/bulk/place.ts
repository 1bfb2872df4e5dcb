import type { DataSource } from '../dataset/types.ts'

/** A file of a place, by its name below it. */
export interface BulkFile {
  readonly name: string
  readonly bytes: number
}

/** A file under way; nothing shows under its name before `commit`. */
export interface BulkSink {
  /** Resolves when the bytes are handed on, which is the back-pressure: their buffer may be used again then. */
  write(bytes: Uint8Array): Promise<void>
  /** Overwrites some of the first 128 bytes. */
  patch(bytes: Uint8Array, position: number): Promise<void>
  /** `exists` where another worker was first, and its file stays. */
  commit(): Promise<'created' | 'exists'>
  /** Drops what was written; does nothing after `commit`. */
  discard(): Promise<void>
}

/** Where shards are, or where results go: a folder, or a prefix on S3. */
export interface BulkPlace {
  /** As the user wrote it. */
  readonly url: string
  /** Files below it, by name in code-unit order; one where the place is itself a file. */
  list(signal: AbortSignal): Promise<readonly BulkFile[]>
  /** The rows of a file; the format is told by its name. */
  open(file: BulkFile): DataSource
  has(name: string, signal: AbortSignal): Promise<boolean>
  /** A small file as text; null where there is none. */
  readText(name: string, signal: AbortSignal): Promise<string | null>
  /** Creates a small file unless there is one. */
  createText(name: string, text: string, signal: AbortSignal): Promise<'created' | 'exists'>
  /** `once` keeps a file that is there already; otherwise it is replaced. */
  create(
    name: string,
    options: { readonly once: boolean; readonly signal: AbortSignal },
  ): Promise<BulkSink>
  /** Removes temporary files of these names that workers left which died; where a place has such. */
  removeLeftovers?(names: readonly string[]): Promise<void>
  close(): Promise<void>
}

/** Files of a place that are listed at most. */
export const MAX_FILES = 100_000
/** Largest file that `readText` reads, in bytes. */
export const MAX_TEXT_BYTES = 64 * 1024
