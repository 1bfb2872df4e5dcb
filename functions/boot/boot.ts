/** Builds the real parts from the environment; everything above gets them as arguments. */
import { homedir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { ArtifactOptions } from '../../shared/encoders/encoder-artifacts.ts'
import { usableCores } from '../../shared/lib/concurrency.ts'
import { type Config, findUnknownVariables, parseConfig } from '../../shared/lib/config/config.ts'
import { type Logger, silentLogger } from '../../shared/lib/logger.ts'
import { RestoreHooks } from '../../shared/lib/restore-hooks.ts'
import type { PrespawnedWorker } from '../../shared/runtime/workers/prespawned-worker.ts'
import { createEncoderParts } from './encoders.ts'
import { createJobParts } from './jobs.ts'
import { createServerParts } from './open-server.ts'
import { createRegistryParts } from './registry.ts'
import type { Boot } from './types.ts'

/** Reads the environment once. @throws EspalierError `invalid_config` naming the variable */
export function createBoot(options: {
  readonly env?: NodeJS.ProcessEnv
  /** Settings of the host, where the environment has no others. */
  readonly defaults?: Readonly<Record<string, string>>
  /** The folder that holds `dist/` and `infra/`. */
  readonly root: URL
  readonly version: string
  /** A worker under way already, for the first encoder that is opened. */
  readonly prespawned?: PrespawnedWorker | undefined
}): Boot {
  const env = { ...options.defaults, ...(options.env ?? process.env) }
  const { root, version, prespawned } = options
  const config = parseConfig(env)
  const log = createLazyLogger(config)
  for (const warning of findUnknownVariables(env)) log.warn({}, warning)
  const cores = usableCores()
  const cacheFolder = config.cache ?? defaultCache(env)
  const artifacts: ArtifactOptions = {
    builtinFolder: fileURLToPath(new URL('infra/models', root)),
    calibrationTexts: fileURLToPath(new URL('infra/calibration/texts.txt', root)),
    cacheFolder,
    preparedFolder: config.prepared,
    threads: config.workers ?? cores,
    answers: sourceAnswers(config),
  }
  const restoreHooks = new RestoreHooks()
  const builtinFolder = fileURLToPath(new URL('infra/heads', root))
  const registry = createRegistryParts({
    config,
    builtinFolder,
    cacheFolder,
    restoreHooks,
    quietSdk,
    log,
  })
  const workerUrl = new URL('dist/encoder-worker.cjs', root)
  const encoders = createEncoderParts({
    config,
    artifacts,
    registry,
    workerUrl,
    cores,
    prespawned,
    log,
  })
  const trainerUrl = new URL('dist/finetune-worker.cjs', root)
  const isSealed = env.AWS_LAMBDA_FUNCTION_NAME !== undefined
  const isSnapshot = env.AWS_LAMBDA_INITIALIZATION_TYPE === 'snap-start'
  const { openSources: _, servedQueue: __, ...encoderParts } = encoders
  return {
    config,
    log,
    cacheFolder,
    openRegistry: registry.open,
    openRegistryAt: registry.openAt,
    ...encoderParts,
    ...createJobParts({ config, artifacts, workerUrl: trainerUrl, quietSdk }),
    awsRegion: env.AWS_REGION || env.AWS_DEFAULT_REGION || undefined,
    openSecret,
    ...createServerParts({
      config,
      registry,
      encoders,
      restoreHooks,
      version,
      isSealed,
      openSecret,
      log,
    }),
    snapshotRuntime: isSnapshot ? (env.AWS_LAMBDA_RUNTIME_API ?? null) : null,
  }
}

/** What the settings say of folders of encoders. */
function sourceAnswers(config: Config): ArtifactOptions['answers'] {
  const { encoderPooling, encoderMaxTokens, encoderPrompts, encoderHeadless, encoderOnnx } = config
  return {
    pooling: encoderPooling,
    maxTokens: encoderMaxTokens,
    prompts: encoderPrompts,
    headless: encoderHeadless === '1' ? true : undefined,
    onnx: encoderOnnx,
  }
}

const openSecret: Boot['openSecret'] = async (address, options) => {
  quietSdk()
  const module = await import('../../shared/aws/open-secret.ts')
  return module.openSecret(address, options)
}

/** JSON lines on stderr, each written before the call returns; pino is loaded with the first line that is logged. */
function createLazyLogger({ logLevel }: Pick<Config, 'logLevel'>): Logger {
  if (logLevel === 'silent') return silentLogger
  let lines: Promise<Logger> | undefined
  const open = async (): Promise<Logger> => {
    // By its default export: the bundle of a CommonJS package has no others.
    const { default: pino } = await import('pino')
    const logger: Logger = pino({ level: logLevel, base: null }, pino.destination(2))
    return logger
  }
  const write =
    (level: keyof Logger) =>
    (fields: object, message?: string): void => {
      lines ??= open()
      void lines.then((logger) => logger[level](fields, message))
    }
  return { debug: write('debug'), info: write('info'), warn: write('warn'), error: write('error') }
}

/** What a library takes from the environment beside its own settings: where users keep caches. */
export function libraryEnvironment(settings: Readonly<Record<string, string>>): NodeJS.ProcessEnv {
  return { XDG_CACHE_HOME: process.env.XDG_CACHE_HOME, ...settings }
}

/** The AWS SDK is pinned, so that what it says of its versions to come is no news to a user. */
function quietSdk(): void {
  process.env.AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED ??= 'true'
}

function defaultCache(env: NodeJS.ProcessEnv): string {
  return join(env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'espalier')
}
