/**
 * The layer rules as data. An area is a folder of functions or shared, and what lies in it up to the next area; it may
 * import itself, the areas listed here, and the packages listed here. Anything not listed is a violation.
 */

/** How far an import may go: `value` allows everything, `types` only `import type`. */
export type Reach = 'value' | 'types' | 'dynamic'

/** What one area may import, and the sentence that a violation shows. */
export interface AreaRule {
  readonly imports: Readonly<Record<string, Reach>>
  /** npm packages, `'any'` where no list is kept. Packages with a home of their own stay bound to it. */
  readonly packages: 'any' | readonly string[]
  /** Whether Node's own modules may be used. */
  readonly builtins: boolean
  readonly instead: string
}

const lib = { lib: 'value' } as const
/** Exports, and what is read of a model's folder before one. */
const exported = {
  exporter: 'value',
  'exporter/source': 'value',
  'exporter/image': 'value',
} as const
const stored = { registry: 'value', 'registry/records': 'value' } as const

/** The parts of training, loaded by a job when something is trained. */
const trained = {
  training: 'dynamic',
  'training/catalogue': 'value',
  'training/numerics': 'dynamic',
  'training/evaluation': 'dynamic',
  'training/baselines': 'dynamic',
  'training/audit': 'dynamic',
  'training/duplicates': 'dynamic',
  'training/repeated': 'dynamic',
  'training/adapt': 'dynamic',
} as const

/** What every job works with: rows, the spine, and the versions that it reads and publishes. */
const jobParts = {
  'jobs/rows': 'value',
  'jobs/heads': 'value',
  versions: 'value',
  ...stored,
  encoder: 'types',
  head: 'value',
  drift: 'value',
  dataset: 'value',
  reports: 'dynamic',
  ...trained,
  ...lib,
} as const

/** What the parts of a process are built from. */
const bootParts = {
  serving: 'value',
  following: 'value',
  encoders: 'value',
  versions: 'value',
  'jobs/rows': 'value',
  bulk: 'value',
  aws: 'value',
  registry: 'value',
  'registry/stores': 'value',
  ...exported,
  runtime: 'value',
  encoder: 'value',
  dataset: 'value',
  ...lib,
} as const

const EXPORT = 'the exporter builds graphs with onnx and runs them through runtime'
const PURE = 'training is pure: matrix kernels and rows come in as arguments'
const A_JOB = 'a job puts the parts of jobs/heads and jobs/rows together; it never meets serving'

/** The areas and their arrows. */
export const AREA_RULES: Readonly<Record<string, AreaRule>> = {
  boot: {
    imports: { ...bootParts, 'boot/serve': 'dynamic' },
    packages: 'any',
    builtins: true,
    instead: 'boot builds the parts and knows no command line; the server is loaded when asked for',
  },
  'boot/serve': {
    imports: { ...bootParts, boot: 'value', api: 'value', 'api/metrics': 'value' },
    packages: 'any',
    builtins: true,
    instead: 'boot/serve puts the server together from the parts of boot',
  },
  'api/routes': {
    imports: {
      api: 'types',
      'api/requests': 'value',
      'api/responses': 'value',
      'api/middleware': 'value',
      contract: 'value',
      serving: 'types',
      following: 'types',
      lib: 'value',
    },
    packages: ['zod'],
    builtins: false,
    instead: 'a route parses with contract and calls a service that createApp hands to it',
  },
  'api/requests': {
    imports: { api: 'types', contract: 'value', serving: 'types', lib: 'value' },
    packages: ['zod'],
    builtins: true,
    instead: 'api/requests reads what comes in and calls no service',
  },
  'api/responses': {
    imports: { api: 'types', contract: 'value', serving: 'types', drift: 'value', lib: 'value' },
    packages: ['hono', 'zod', '@asteasolutions/zod-to-openapi'],
    builtins: true,
    instead: 'api/responses writes what goes out; results come in as values',
  },
  'api/metrics': {
    imports: { api: 'types', drift: 'value' },
    packages: ['prom-client'],
    builtins: false,
    instead: 'api/metrics counts what records and the parts of createApp say',
  },
  'api/middleware': {
    imports: {
      api: 'types',
      'api/responses': 'value',
      'api/metrics': 'types',
      serving: 'types',
      lib: 'value',
    },
    packages: ['hono', '@hono/node-server'],
    builtins: true,
    instead: 'middleware stands before every route and knows none',
  },
  'api/lambda': {
    imports: {
      api: 'types',
      'api/requests': 'value',
      'api/responses': 'value',
      boot: 'value',
      serving: 'types',
      lib: 'value',
    },
    packages: ['hono', 'aws-lambda'],
    builtins: true,
    instead: 'api/lambda turns events into requests; the application does not know of it',
  },
  api: {
    imports: {
      'api/routes': 'value',
      'api/requests': 'value',
      'api/middleware': 'value',
      'api/metrics': 'value',
      boot: 'value',
      serving: 'types',
      lib: 'value',
    },
    packages: 'any',
    builtins: true,
    instead: 'take the part from boot as a dependency, typed by serving',
  },
  cli: {
    imports: { 'cli/commands': 'value', 'cli/output': 'value', boot: 'value', ...lib },
    packages: 'any',
    builtins: true,
    instead:
      'the door of the command line knows the process; what a command does is in cli/commands',
  },
  'cli/options': {
    imports: {
      cli: 'types',
      boot: 'types',
      encoders: 'value',
      head: 'value',
      'dataset/formats': 'value',
      dataset: 'value',
      'jobs/heads': 'types',
      'jobs/finetune': 'types',
      training: 'types',
      'training/catalogue': 'value',
      ...lib,
    },
    packages: 'any',
    builtins: true,
    instead: 'cli/options turns options into what jobs are asked for; it prints nothing',
  },
  'cli/output': {
    imports: {
      cli: 'types',
      versions: 'value',
      'jobs/heads': 'types',
      dataset: 'value',
      ...lib,
    },
    packages: 'any',
    builtins: true,
    instead: 'cli/output turns results into lines and files; it knows no option and runs no job',
  },
  'cli/commands': {
    imports: {
      cli: 'types',
      'cli/options': 'value',
      'cli/output': 'value',
      boot: 'types',
      'jobs/rows': 'value',
      'jobs/heads': 'value',
      'jobs/train': 'value',
      'jobs/audit': 'value',
      'jobs/evaluate': 'value',
      'jobs/report': 'value',
      'jobs/adapt': 'value',
      'jobs/finetune': 'value',
      bulk: 'value',
      aws: 'value',
      deployment: 'value',
      versions: 'value',
      encoders: 'value',
      encoder: 'value',
      training: 'types',
      'training/catalogue': 'value',
      reports: 'dynamic',
      head: 'value',
      dataset: 'value',
      contract: 'value',
      lib: 'value',
    },
    packages: 'any',
    builtins: true,
    instead: 'a command parses its options, gets its parts from boot and calls a job',
  },
  events: {
    imports: { ...stored, 'registry/stores': 'value', aws: 'value', ...lib },
    packages: ['zod'],
    builtins: false,
    instead: 'events tells of changes of models and rolls champions back; it opens no encoder',
  },
  library: {
    imports: { boot: 'value', serving: 'types', lib: 'value' },
    packages: [],
    builtins: false,
    instead: 'the library turns options into settings and calls the use cases that boot opens',
  },
  contract: {
    imports: {},
    packages: ['zod'],
    builtins: false,
    instead: 'contract describes the public API with zod alone',
  },
  client: {
    imports: { contract: 'types' },
    packages: [],
    builtins: false,
    instead: 'the client uses fetch and `import type` from contract, so that it runs anywhere',
  },
  serving: {
    imports: {
      following: 'value',
      encoders: 'value',
      versions: 'value',
      ...stored,
      encoder: 'value',
      head: 'value',
      drift: 'value',
      contract: 'value',
      ...lib,
    },
    packages: 'any',
    builtins: true,
    instead:
      'serving answers requests with what is live; it never meets jobs, and HTTP is functions/api',
  },
  following: {
    imports: { ...stored, 'registry/stores': 'value', ...lib },
    packages: 'any',
    builtins: true,
    instead: 'following reads what the registry says now',
  },
  versions: {
    imports: {
      encoders: 'value',
      ...stored,
      'registry/stores': 'value',
      encoder: 'value',
      head: 'value',
      ...lib,
    },
    packages: 'any',
    builtins: true,
    instead: 'versions publishes, reads and compares versions of the registry',
  },
  encoders: {
    imports: { ...stored, ...exported, encoder: 'value', ...lib },
    packages: 'any',
    builtins: true,
    instead: 'encoders finds and opens encoders; who may use them is decided above',
  },
  'jobs/rows': {
    imports: { encoder: 'value', head: 'value', dataset: 'value', ...lib },
    packages: 'any',
    builtins: true,
    instead: 'jobs/rows turns rows into vectors and labels; a job hands it the encoder',
  },
  'jobs/heads': {
    imports: { ...jobParts, encoders: 'types' },
    packages: 'any',
    builtins: true,
    instead: A_JOB,
  },
  'jobs/train': { imports: jobParts, packages: 'any', builtins: true, instead: A_JOB },
  'jobs/audit': { imports: jobParts, packages: 'any', builtins: true, instead: A_JOB },
  'jobs/evaluate': { imports: jobParts, packages: 'any', builtins: true, instead: A_JOB },
  'jobs/report': {
    imports: { ...jobParts, 'reports/sections': 'dynamic' },
    packages: 'any',
    builtins: true,
    instead: A_JOB,
  },
  'jobs/adapt': { imports: jobParts, packages: 'any', builtins: true, instead: A_JOB },
  'jobs/finetune': {
    imports: {
      ...jobParts,
      encoders: 'value',
      encoder: 'value',
      ...exported,
      'exporter/artifact': 'value',
      'exporter/regexes': 'value',
      finetune: 'dynamic',
    },
    packages: 'any',
    builtins: true,
    instead: A_JOB,
  },
  bulk: {
    imports: {
      'jobs/rows': 'value',
      s3: 'value',
      encoder: 'value',
      head: 'value',
      'dataset/formats': 'value',
      dataset: 'value',
      ...lib,
    },
    packages: 'any',
    builtins: true,
    instead: 'bulk cuts many files into shards and runs each through jobs/rows',
  },
  registry: {
    imports: { 'registry/stores': 'value', 'registry/records': 'value', ...lib },
    packages: 'any',
    builtins: true,
    instead: 'the registry stores bytes and names; whoever knows their meaning calls it',
  },
  'registry/stores': {
    imports: { 'registry/records': 'value', s3: 'value', ...lib },
    packages: 'any',
    builtins: true,
    instead: 'a store keeps objects by key and knows nothing of models',
  },
  'registry/records': {
    imports: lib,
    packages: ['zod'],
    builtins: true,
    instead: 'records are what the registry writes, as values: no files, no store',
  },
  s3: {
    imports: lib,
    packages: 'any',
    builtins: true,
    instead: 's3 speaks to a bucket and knows nothing of what lies in it',
  },
  aws: {
    imports: { s3: 'value', ...lib },
    packages: 'any',
    builtins: true,
    instead: 'aws asks services of AWS and knows nothing of what lies in them',
  },
  reports: {
    imports: {
      'reports/sections': 'value',
      'reports/charts': 'value',
      dataset: 'types',
      'training/catalogue': 'types',
      ...lib,
    },
    packages: [],
    builtins: true,
    instead:
      'reports turns results into HTML, SVG, Markdown and JSON; the results come in as values',
  },
  'reports/sections': {
    imports: { reports: 'value', 'reports/charts': 'value', ...lib },
    packages: [],
    builtins: false,
    instead:
      'a section says what a TrainingReport holds; its values are put into the report by a job',
  },
  'reports/charts': {
    imports: { reports: 'value' },
    packages: ['d3-scale', 'd3-shape'],
    builtins: false,
    instead: 'a chart draws the values that it is given',
  },
  onnx: { imports: lib, packages: [], builtins: true, instead: 'onnx is a pure leaf over lib' },
  exporter: {
    imports: {
      'exporter/regexes': 'value',
      'exporter/source': 'value',
      'exporter/text': 'value',
      'exporter/image': 'value',
      'exporter/int8': 'value',
      'exporter/int8/image': 'value',
      'exporter/artifact': 'value',
      head: 'value',
      onnx: 'value',
      runtime: 'value',
      ...lib,
    },
    packages: ['zod'],
    builtins: true,
    instead: EXPORT,
  },
  'exporter/architectures': {
    imports: lib,
    packages: ['zod'],
    builtins: false,
    instead:
      'an architecture is data: its configuration, the names of its tensors, its kind of layer',
  },
  'exporter/checkpoint': {
    imports: lib,
    packages: ['zod'],
    builtins: true,
    instead: 'checkpoint reads files of tensors and knows no model',
  },
  'exporter/vocabulary': {
    imports: { onnx: 'value', ...lib },
    packages: ['zod'],
    builtins: false,
    instead: 'vocabulary makes the text of a tokenizer.json and opens no file',
  },
  'exporter/source': {
    imports: {
      'exporter/architectures': 'value',
      'exporter/checkpoint': 'value',
      'exporter/vocabulary': 'value',
      onnx: 'value',
      runtime: 'value',
      ...lib,
    },
    packages: ['zod'],
    builtins: true,
    instead: 'source reads and writes the files of models, and knows no graph of ours',
  },
  'exporter/regexes': {
    imports: { 'exporter/source': 'types', runtime: 'value', ...lib },
    packages: ['recheck'],
    builtins: true,
    instead: 'regexes judges regular expressions; the tokenizer of runtime compiles them',
  },
  'exporter/text': {
    imports: {
      'exporter/architectures': 'value',
      'exporter/source': 'value',
      onnx: 'value',
      runtime: 'value',
      ...lib,
    },
    packages: [],
    builtins: true,
    instead: EXPORT,
  },
  'exporter/image': {
    imports: { 'exporter/source': 'value', onnx: 'value', runtime: 'value', ...lib },
    packages: [],
    builtins: false,
    instead: EXPORT,
  },
  'exporter/int8': {
    imports: {
      'exporter/source': 'value',
      'exporter/text': 'value',
      onnx: 'value',
      runtime: 'value',
      ...lib,
    },
    packages: ['zod'],
    builtins: true,
    instead: EXPORT,
  },
  'exporter/int8/image': {
    imports: {
      'exporter/int8': 'value',
      'exporter/image': 'types',
      'exporter/source': 'value',
      onnx: 'value',
      runtime: 'value',
      ...lib,
    },
    packages: ['zod', 'sharp'],
    builtins: true,
    instead: EXPORT,
  },
  'exporter/artifact': {
    imports: {
      'exporter/checkpoint': 'value',
      'exporter/source': 'value',
      runtime: 'value',
      ...lib,
    },
    packages: ['zod', 'sharp'],
    builtins: true,
    instead: 'artifact writes folders, names their versions and proves them by vectors',
  },
  runtime: {
    imports: { onnx: 'value', ...lib },
    packages: 'any',
    builtins: true,
    instead: 'runtime runs graphs and knows no one above it; hand it values',
  },
  encoder: {
    imports: { runtime: 'value', ...lib },
    packages: 'any',
    builtins: true,
    instead: 'the encoder plans batches and calls runtime',
  },
  head: {
    imports: lib,
    packages: [],
    builtins: true,
    instead: 'head is pure mathematics over lib',
  },
  drift: {
    imports: { head: 'types', ...lib },
    packages: [],
    builtins: false,
    instead: 'drift counts answers and compares counts; it opens nothing',
  },
  training: {
    imports: {
      'training/catalogue': 'value',
      'training/numerics': 'value',
      'training/methods': 'value',
      'training/evaluation': 'value',
      'training/detect': 'value',
      'training/audit': 'value',
      head: 'value',
      dataset: 'types',
      ...lib,
    },
    packages: [],
    builtins: false,
    instead: PURE,
  },
  'training/catalogue': {
    imports: { 'training/methods': 'dynamic' },
    packages: [],
    builtins: false,
    instead:
      'the catalogue lists methods for those who do not train: it loads their code when asked',
  },
  'training/numerics': {
    imports: lib,
    packages: ['ml-matrix'],
    builtins: false,
    instead: 'numerics is matrices and rows alone',
  },
  'training/audit': {
    imports: {
      training: 'types',
      'training/numerics': 'value',
      'training/methods': 'value',
      'training/evaluation': 'value',
      'training/duplicates': 'value',
      ...lib,
    },
    packages: [],
    builtins: false,
    instead: PURE,
  },
  'training/evaluation': {
    imports: { training: 'types', 'training/numerics': 'value', head: 'value', ...lib },
    packages: [],
    builtins: false,
    instead: PURE,
  },
  'training/methods': {
    imports: {
      training: 'types',
      'training/catalogue': 'value',
      'training/numerics': 'value',
      'training/evaluation': 'value',
      head: 'value',
      ...lib,
    },
    packages: [],
    builtins: false,
    instead: PURE,
  },
  'training/detect': {
    imports: { 'training/methods': 'types', 'training/numerics': 'value', head: 'value', ...lib },
    packages: [],
    builtins: false,
    instead: PURE,
  },
  'training/baselines': {
    imports: { 'training/numerics': 'value', ...lib },
    packages: [],
    builtins: false,
    instead: PURE,
  },
  'training/duplicates': {
    imports: { 'training/numerics': 'value', ...lib },
    packages: [],
    builtins: false,
    instead: PURE,
  },
  'training/repeated': {
    imports: {
      training: 'value',
      'training/numerics': 'value',
      'training/methods': 'value',
      'training/evaluation': 'value',
      'training/baselines': 'value',
      head: 'value',
      ...lib,
    },
    packages: [],
    builtins: false,
    instead: PURE,
  },
  'training/adapt': {
    imports: {
      training: 'value',
      'training/catalogue': 'value',
      'training/numerics': 'value',
      'training/evaluation': 'value',
      head: 'value',
      ...lib,
    },
    packages: [],
    builtins: false,
    instead: PURE,
  },
  finetune: {
    imports: {
      onnx: 'value',
      ...exported,
      'exporter/architectures': 'types',
      'exporter/text': 'value',
      'exporter/artifact': 'value',
      runtime: 'value',
      training: 'value',
      'training/numerics': 'value',
      'training/methods': 'value',
      'training/evaluation': 'value',
      ...lib,
    },
    packages: 'any',
    builtins: true,
    instead: 'finetune builds gradient graphs with onnx and exporter and runs them through runtime',
  },
  dataset: {
    imports: { 'dataset/formats': 'value', ...lib },
    packages: [],
    builtins: true,
    instead: 'dataset/formats is where the readers of formats are',
  },
  'dataset/formats': {
    imports: { dataset: 'value', ...lib },
    packages: [
      'csv-parse',
      'chardet',
      'hyparquet',
      'hyparquet-compressors',
      'read-excel-file',
      'fflate',
    ],
    builtins: true,
    instead: 'formats turns the bytes of a file into rows, each format with its own reader',
  },
  lib: {
    imports: {},
    packages: ['zod'],
    builtins: true,
    instead: 'lib lies under everything and uses zod alone',
  },
  deployment: {
    imports: lib,
    packages: ['zod'],
    builtins: true,
    instead: 'deployment is the settings of a deployment and their file; it calls nothing of AWS',
  },
  cdk: {
    imports: { lib: 'types', deployment: 'value' },
    packages: 'any',
    builtins: true,
    instead:
      'cdk takes names from lib/config as types, settings from deployment, files from infra by path',
  },
}

/** Packages with one home: areas, each with what lies in it. */
export const PACKAGE_HOMES: readonly {
  readonly name: RegExp
  readonly homes: readonly string[]
  readonly instead: string
}[] = [
  {
    name: /^(hono$|@hono\/)/,
    homes: ['functions/api'],
    instead: 'only functions/api knows HTTP; answer with a value and let a route send it',
  },
  {
    name: /^@aws-sdk\//,
    homes: ['shared/s3', 'shared/aws', 'shared/registry/stores/s3'],
    instead:
      'use the BlobStore of shared/registry; the SDK lives in shared/s3, what stands on it, and shared/aws',
  },
  {
    name: /^onnxruntime-node$/,
    homes: ['shared/runtime'],
    instead: 'call shared/runtime, the only owner of sessions',
  },
  {
    name: /^recheck$/,
    homes: ['shared/exporter/regexes'],
    instead:
      'recheck has three megabytes: shared/exporter/regexes loads it for regular expressions it does not know',
  },
]
