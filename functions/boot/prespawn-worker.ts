import { PrespawnedWorker } from '../../shared/runtime/workers/prespawned-worker.ts'

/** Starts the first encoder worker of a server, before the server's own modules are loaded. */
export function prespawnWorker(root: URL): PrespawnedWorker {
  return new PrespawnedWorker(new URL('dist/encoder-worker.cjs', root))
}
