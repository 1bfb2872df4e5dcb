import { EarlyWorker } from '../../shared/runtime/workers/early-worker.ts'

/** Starts the first encoder worker of a server, before the server's own modules are loaded. */
export function startEarlyWorker(root: URL): EarlyWorker {
  return new EarlyWorker(new URL('dist/encoder-worker.cjs', root))
}
