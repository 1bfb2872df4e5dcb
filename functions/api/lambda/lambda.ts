/** The entry point on Lambda's own runtime for Node: `lambda.handler`, or `lambda.streamHandler` to stream. */
import packageJson from '../../../package.json' with { type: 'json' }
import { prespawnWorker } from '../../boot/prespawn-worker.ts'

const { version } = packageJson
/** The folder that holds `dist` and `infra`. */
const root = new URL('..', import.meta.url)
// What a start waits for longest begins first.
const prespawned = prespawnWorker(root)

/** What suits Lambda, where the environment says nothing else; docs/serving.md tells why. */
const LAMBDA_DEFAULTS = {
  ESPALIER_CACHE: '/tmp/espalier',
  ESPALIER_FOLLOW: 'request',
  ESPALIER_MAX_INPUTS: '256',
  ESPALIER_MAX_BODY_BYTES: String(6 * 1024 * 1024),
  // An event has 6 MB, and an image takes 4/3 of its size there; the rest is for headers and the like.
  ESPALIER_MAX_IMAGE_BYTES: String(4560 * 1024),
  // They would be those of one sandbox among many.
  ESPALIER_METRICS: 'off',
}

const [{ createBoot }, { createLambdaHandlers }] = await Promise.all([
  import('../../boot/boot.ts'),
  import('./handlers.ts'),
])
const boot = createBoot({ root, version, prespawned, defaults: LAMBDA_DEFAULTS })
// Built once, while Lambda starts the function and does not count the time.
const { app, snapshot } = await boot.openApp()
if (boot.snapshotRuntime !== null) {
  const { passSnapshot } = await import('./snapshot-runtime.ts')
  await passSnapshot(boot.snapshotRuntime, snapshot)
}

export const { handler, streamHandler } = createLambdaHandlers(app)
