import { z } from 'zod'
import { EspalierError } from '../errors.ts'
import { precisionSchema } from '../manifests/encoder-manifest.ts'
import { MAX_IMAGE_BYTES, MAX_IMAGE_PIXELS } from '../manifests/image-preprocessing.ts'
import { nearestName } from '../text/nearest.ts'
import { quote } from '../text/text.ts'
import { accessFields } from './access-fields.ts'
import { choice, decimal, integer, variables, whole } from './config-fields.ts'
import { encoderFields } from './encoder-fields.ts'
import { intakeFields } from './intake-fields.ts'

const KIB = 1024
const MIB = 1024 * KIB
const GIB = 1024 * MIB
const HOUR_MS = 3_600_000

/** Every environment variable of the product, once. */
const configSchema = z.object({
  port: integer(0, 65_535, 8080, {
    variable: 'PORT',
    unit: '',
    doc: 'Port to listen on; 0 takes a free one.',
  }),
  host: z
    .string()
    .regex(/^[A-Za-z0-9.:_-]{1,253}$/)
    .default('127.0.0.1')
    .register(variables, {
      variable: 'HOST',
      unit: '',
      allowed: 'a host name or an address, such as 127.0.0.1 or 0.0.0.0',
      doc: 'Address to listen on; container images set 0.0.0.0.',
    }),
  registry: z
    .string()
    .regex(/^(?:file:.+|s3:\/\/.+|memory:)$/)
    .default('file:./registry')
    .register(variables, {
      variable: 'ESPALIER_REGISTRY',
      unit: '',
      allowed: 'file:DIRECTORY, s3://BUCKET/PREFIX or memory:',
      doc: 'Where versions and aliases of models are kept.',
    }),
  cache: z.string().optional().register(variables, {
    variable: 'ESPALIER_CACHE',
    unit: '',
    allowed: 'a folder',
    doc: 'Folder for exported graphs and verified files.',
    defaultText: '$XDG_CACHE_HOME/espalier, else ~/.cache/espalier',
  }),
  prepared: z.string().max(4096).optional().register(variables, {
    variable: 'ESPALIER_PREPARED',
    unit: '',
    allowed: 'a folder',
    doc: 'A cache that was filled earlier, as in a container image. It is searched first and only read.',
    defaultText: 'none',
  }),
  encoder: z.string().max(4096).default('all-MiniLM-L6-v2').register(variables, {
    variable: 'ESPALIER_ENCODER',
    unit: '',
    allowed: 'the name of an encoder or the folder of one',
    doc: 'The encoder to serve: a built-in or registered name, or a folder.',
  }),
  ...encoderFields,
  precision: precisionSchema.optional().register(variables, {
    variable: 'ESPALIER_PRECISION',
    unit: '',
    allowed: `one of ${precisionSchema.options.join(', ')}`,
    doc: 'Precision of the graph that runs: int8 or float32 on CPUs, float16 on GPUs. Where it is not set, an encoder without the default one runs in the best that it has, and the log says which.',
    defaultText: 'int8 on CPUs, float16 on GPUs',
  }),
  workers: whole(1, 256).optional().register(variables, {
    variable: 'ESPALIER_WORKERS',
    unit: 'threads',
    allowed: 'a whole number from 1 to 256',
    doc: 'Worker threads that run the encoder, one core each; on a GPU one is enough.',
    defaultText: 'usable cores; 1 on a GPU',
  }),
  device: choice(['cpu', 'cuda', 'webgpu', 'auto'], 'cpu', {
    variable: 'ESPALIER_DEVICE',
    doc: 'Device of the encoders. auto takes CUDA if it works, else the CPU, and logs which.',
  }),
  logLevel: choice(['debug', 'info', 'warn', 'error', 'silent'], 'info', {
    variable: 'ESPALIER_LOG_LEVEL',
    doc: 'Least severe level that is logged.',
  }),
  metrics: choice(['on', 'off'], 'on', {
    variable: 'ESPALIER_METRICS',
    doc: 'Whether the metrics are answered. Their numbers are those of one process: turn it off where several answer at one address.',
  }),
  drift: choice(['on', 'off'], 'on', {
    variable: 'ESPALIER_DRIFT',
    doc: 'Whether answers of classifiers are tested for drift. They are counted in any case.',
  }),
  driftWindow: integer(100, 1_000_000, 1000, {
    variable: 'ESPALIER_DRIFT_WINDOW',
    unit: 'answers',
    doc: 'Answers of one version that a test for drift takes together. More of them show smaller changes, later.',
  }),
  follow: choice(['timer', 'request'], 'timer', {
    variable: 'ESPALIER_FOLLOW',
    doc: 'When a server reads the registry: by a timer, or when a request comes, for hosts that stop timers between requests.',
  }),
  pollSeconds: decimal(0.1, 3600, 2, {
    variable: 'ESPALIER_POLL_SECONDS',
    unit: 'seconds',
    doc: 'Registry polling interval.',
  }),
  offlineOk: choice(['0', '1'], '0', {
    variable: 'ESPALIER_OFFLINE_OK',
    doc: 'With 1, a server starts without its registry, from its cache, and follows the registry when that answers.',
  }),
  ...accessFields,
  headsBytes: integer(MIB, 64 * GIB, 256 * MIB, {
    variable: 'ESPALIER_HEADS_BYTES',
    unit: 'bytes',
    doc: 'Memory for loaded heads. The least recently used are closed first.',
  }),
  modelsBytes: integer(MIB, 1024 * GIB, 2 * GIB, {
    variable: 'ESPALIER_MODELS_BYTES',
    unit: 'bytes',
    doc: 'Memory for encoders and heads together. Encoders other than the default one are closed, the least recently used first.',
  }),
  resultCacheBytes: integer(0, 64 * GIB, 0, {
    variable: 'ESPALIER_RESULT_CACHE_BYTES',
    unit: 'bytes',
    doc: 'Memory for vectors of texts seen before. The least recently used are dropped first; 0 keeps none.',
  }),
  maxInputs: integer(1, 65_536, 2048, {
    variable: 'ESPALIER_MAX_INPUTS',
    unit: 'inputs',
    doc: 'Most inputs in one request.',
  }),
  maxBodyBytes: integer(KIB, 512 * MIB, 16 * MIB, {
    variable: 'ESPALIER_MAX_BODY_BYTES',
    unit: 'bytes',
    doc: 'Largest request body.',
  }),
  maxTextBytes: integer(1, 256 * MIB, MIB, {
    variable: 'ESPALIER_MAX_TEXT_BYTES',
    unit: 'bytes',
    doc: 'Longest single text, in UTF-8.',
  }),
  maxImages: integer(1, 65_536, 256, {
    variable: 'ESPALIER_MAX_IMAGES',
    unit: 'images',
    doc: 'Most images in one request.',
  }),
  maxImageBytes: integer(1, 256 * MIB, MAX_IMAGE_BYTES, {
    variable: 'ESPALIER_MAX_IMAGE_BYTES',
    unit: 'bytes',
    doc: 'Largest file of a single image.',
  }),
  maxImagePixels: integer(1, 1_000_000_000, MAX_IMAGE_PIXELS, {
    variable: 'ESPALIER_MAX_IMAGE_PIXELS',
    unit: 'pixels',
    doc: 'Most pixels of a single image, width times height. It is checked before decoding.',
  }),
  images: choice(['strict', 'lenient'], 'strict', {
    variable: 'ESPALIER_IMAGES',
    doc: 'What happens to JPEGs that end early or are damaged inside: refused, or decoded as far as they go.',
  }),
  maxRequests: integer(1, 65_536, 512, {
    variable: 'ESPALIER_MAX_REQUESTS',
    unit: 'requests',
    doc: 'Most inference requests held at once. Further ones get 429.',
  }),
  maxHeldBytes: integer(KIB, 64 * GIB, 256 * MIB, {
    variable: 'ESPALIER_MAX_HELD_BYTES',
    unit: 'bytes',
    doc: 'Most bytes of all request bodies held at once. Further requests get 429.',
  }),
  ...intakeFields,
  maxQueueTokens: integer(1, 1_000_000_000, 1_048_576, {
    variable: 'ESPALIER_MAX_QUEUE_TOKENS',
    unit: 'tokens',
    doc: 'Most tokens that may wait for a worker. Further requests get 429.',
  }),
  queueTimeoutMs: integer(1, HOUR_MS, 60_000, {
    variable: 'ESPALIER_QUEUE_TIMEOUT_MS',
    unit: 'milliseconds',
    doc: 'Longest wait for a worker, then 429.',
  }),
  runTimeoutMs: integer(1_000, HOUR_MS, 60_000, {
    variable: 'ESPALIER_RUN_TIMEOUT_MS',
    unit: 'milliseconds',
    doc: 'Longest time of a run in a worker, of up to 512 tokens, or of images that count up to 16 (each one, and one more for each million pixels); a larger run has more in proportion. A worker that takes longer is given up and replaced.',
  }),
  loadTimeoutMs: integer(1_000, HOUR_MS, 300_000, {
    variable: 'ESPALIER_LOAD_TIMEOUT_MS',
    unit: 'milliseconds',
    doc: 'Longest time in which a worker loads the encoder, once its files are verified. A worker that takes longer is given up and replaced.',
  }),
  workerLossMs: integer(1_000, HOUR_MS, 10_000, {
    variable: 'ESPALIER_WORKER_LOSS_MS',
    unit: 'milliseconds',
    doc: 'Without a worker of the default encoder for so long, /readyz answers 503; after six times as long, /livez does too.',
  }),
  shutdownTimeoutMs: integer(0, HOUR_MS, 25_000, {
    variable: 'ESPALIER_SHUTDOWN_TIMEOUT_MS',
    unit: 'milliseconds',
    doc: 'Time for accepted requests to finish after SIGTERM before they are cut off.',
  }),
  requestTimeoutMs: integer(1, HOUR_MS, 60_000, {
    variable: 'ESPALIER_REQUEST_TIMEOUT_MS',
    unit: 'milliseconds',
    doc: 'Longest time to receive a whole request, then 408.',
  }),
  headersTimeoutMs: integer(1, HOUR_MS, 10_000, {
    variable: 'ESPALIER_HEADERS_TIMEOUT_MS',
    unit: 'milliseconds',
    doc: 'Longest time to receive the headers of a request, then 408.',
  }),
  arrayIndex: whole(0, 9_999).optional().register(variables, {
    variable: 'AWS_BATCH_JOB_ARRAY_INDEX',
    unit: '',
    allowed: 'a whole number from 0 to 9999',
    doc: 'Which shards a bulk job takes, set by AWS Batch for each child of an array job.',
    defaultText: 'none',
  }),
  arraySize: whole(1, 10_000).optional().register(variables, {
    variable: 'AWS_BATCH_JOB_ARRAY_SIZE',
    unit: '',
    allowed: 'a whole number from 1 to 10000',
    doc: 'Number of children that share the shards, set by AWS Batch beside the index.',
    defaultText: 'none',
  }),
  keepAliveTimeoutMs: integer(1, HOUR_MS, 65_000, {
    variable: 'ESPALIER_KEEP_ALIVE_TIMEOUT_MS',
    unit: 'milliseconds',
    doc: 'Time that an idle connection stays open. Set it longer than that of the load balancer in front.',
  }),
})

/** The settings of a process, parsed once at its start. `cache` and `workers` are filled by boot. */
export type Config = Readonly<z.output<typeof configSchema>>

/** One environment variable as data, for documentation and `--help`. */
export interface ConfigVariable {
  readonly key: keyof Config
  readonly name: string
  readonly doc: string
  readonly unit: string
  readonly allowed: string
  readonly default: string
}

/** Every environment variable, in the order of documentation. */
export const CONFIG_VARIABLES: readonly ConfigVariable[] = Object.entries(configSchema.shape).map(
  ([key, schema]) => {
    const meta = variables.get(schema)
    if (!meta) throw new Error(`${key} has no documentation`)
    const { variable: name, doc, unit, allowed, defaultText } = meta
    const fallback = schema instanceof z.ZodDefault ? String(schema.def.defaultValue) : ''
    return { key: key as keyof Config, name, doc, unit, allowed, default: defaultText ?? fallback }
  },
)

/**
 * Reads the settings from environment variables; empty ones count as absent.
 * @throws EspalierError `invalid_config`: one line with the variable, its value and what is allowed
 */
export function parseConfig(env: Readonly<Record<string, string | undefined>>): Config {
  const given = Object.fromEntries(
    CONFIG_VARIABLES.map(({ key, name }) => [key, env[name]?.trim() || undefined]),
  )
  const parsed = configSchema.safeParse(given)
  if (parsed.success) return parsed.data
  const wrong = CONFIG_VARIABLES.find(({ key }) => key === parsed.error.issues[0]?.path[0])
  if (!wrong) throw parsed.error
  const isSecret = variables.get(configSchema.shape[wrong.key])?.secret
  const value = isSecret ? 'not usable' : quote(given[wrong.key] ?? '')
  throw new EspalierError(
    'invalid_config',
    `${wrong.name} is ${value}; it must be ${wrong.allowed}`,
    {
      param: wrong.name,
    },
  )
}

/** One warning for each `ESPALIER_…` variable that means nothing, with the nearest that does. */
export function findUnknownVariables(env: Readonly<Record<string, string | undefined>>): string[] {
  const known = CONFIG_VARIABLES.map(({ name }) => name)
  return Object.keys(env)
    .filter((name) => name.startsWith('ESPALIER_') && !known.includes(name))
    .sort()
    .map((name) => {
      const nearest = nearestName(name, known)
      return `${name} is not a setting${nearest ? `; did you mean ${nearest}?` : ''}`
    })
}
