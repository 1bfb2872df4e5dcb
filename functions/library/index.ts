/** `import { createEspalier } from 'espalier'`: embeds and classifies in the caller's own process. */
import packageJson from '../../package.json' with { type: 'json' }
import { EspalierError } from '../../shared/lib/errors.ts'
import { createBoot, libraryEnvironment } from '../boot/boot.ts'
import { openLibrary } from './open-library.ts'
import { nameOption, readOptions } from './settings.ts'
import type { Espalier, EspalierOptions } from './types.ts'

export {
  ERROR_CODES,
  type ErrorCode,
  EspalierError,
  type EspalierErrorOptions,
  isEspalierError,
} from '../../shared/lib/errors.ts'
export type * from './types.ts'

/**
 * Opens the encoder and the classifiers of a registry. The first opening on a machine exports the encoder into the
 * cache, which takes seconds; nothing is downloaded.
 * @throws EspalierError `invalid_config` naming the option, and whatever opening a model can throw
 */
export async function createEspalier(options: EspalierOptions = {}): Promise<Espalier> {
  const settings = readOptions(options)
  const { signal } = options
  throwIfAborted(signal)
  try {
    const root = new URL('..', import.meta.url)
    const env = libraryEnvironment(settings)
    const boot = createBoot({ env, root, version: packageJson.version })
    return openLibrary(await boot.openService({ signal, longJobs: false }))
  } catch (error) {
    throwIfAborted(signal)
    throw nameOption(error, options)
  }
}

function throwIfAborted(signal: AbortSignal | undefined): void {
  if (!signal?.aborted) return
  const message = 'createEspalier was cancelled'
  throw new EspalierError('request_cancelled', message, { cause: signal.reason })
}
