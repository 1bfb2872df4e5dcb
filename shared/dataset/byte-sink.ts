import type { Writable } from 'node:stream'

/** Where a command's output goes: a file that appears whole, or a stream. */
export interface ByteSink {
  /** Appends; resolves when the bytes are handed on, which is the back-pressure: their buffer may be used again then. */
  write(bytes: Uint8Array): Promise<void>
  /** Ends a whole output; a file is durable and gets its name only now. */
  commit(): Promise<void>
  /** Drops what was written, as far as it can be taken back. Does nothing after `commit`. */
  discard(): Promise<void>
}

/** Output into an open stream such as stdout, waiting where it is slow; the stream stays open. */
export function streamSink(stream: Writable): ByteSink {
  return {
    // The callback comes when the bytes are written on, or with the error that stopped them.
    write: (bytes) =>
      new Promise((resolve, reject) => {
        stream.write(bytes, (error) => (error ? reject(error) : resolve()))
      }),
    async commit() {},
    async discard() {},
  }
}
