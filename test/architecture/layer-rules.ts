/**
 * The layer rules as data. An area is a part of the tree; it may import itself, the areas listed here,
 * and the packages listed here. Anything not listed is a violation.
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

const sharedLayers = [
  'contract',
  'client',
  'service',
  'registry',
  'onnx',
  'exporter',
  'runtime',
  'encoder',
  'head',
  'training',
  'finetune',
  'dataset',
  'lib',
] as const

const lib = { lib: 'value' } as const

/** The areas and their arrows. */
export const AREA_RULES: Readonly<Record<string, AreaRule>> = {
  boot: {
    imports: {
      ...Object.fromEntries(sharedLayers.map((layer) => [layer, 'value' as const])),
      api: 'dynamic',
    },
    packages: 'any',
    builtins: true,
    instead:
      'boot.ts builds the parts and knows no command line; the server is loaded when asked for',
  },
  'api/routes': {
    imports: { api: 'value', contract: 'value', service: 'types', lib: 'value' },
    packages: 'any',
    builtins: false,
    instead: 'a route parses with contract and calls a service that createApp hands to it',
  },
  api: {
    imports: {
      'api/routes': 'value',
      boot: 'value',
      contract: 'value',
      service: 'types',
      lib: 'value',
    },
    packages: 'any',
    builtins: true,
    instead: 'take the part from boot.ts as a dependency, typed by service',
  },
  cli: {
    imports: {
      boot: 'value',
      api: 'value',
      service: 'value',
      training: 'types',
      dataset: 'value',
      contract: 'value',
      lib: 'value',
    },
    packages: 'any',
    builtins: true,
    instead: 'a command parses its options, gets its parts from boot.ts and calls a service',
  },
  library: {
    imports: { boot: 'value', service: 'types', lib: 'value' },
    packages: [],
    builtins: false,
    instead: 'the library turns options into settings and calls the use cases that boot.ts opens',
  },
  playground: {
    imports: { client: 'value', contract: 'types' },
    packages: [],
    builtins: false,
    instead: 'the page talks to the server through the public API',
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
  service: {
    imports: {
      registry: 'value',
      encoder: 'value',
      exporter: 'value',
      head: 'value',
      contract: 'value',
      dataset: 'value',
      lib: 'value',
    },
    packages: 'any',
    builtins: true,
    instead: 'a service speaks to its neighbours; runtime parts come in as arguments from boot.ts',
  },
  registry: {
    imports: lib,
    packages: 'any',
    builtins: true,
    instead: 'the registry stores bytes and names; whoever knows their meaning calls it',
  },
  onnx: { imports: lib, packages: [], builtins: true, instead: 'onnx is a pure leaf over lib' },
  exporter: {
    imports: { onnx: 'value', runtime: 'value', lib: 'value' },
    packages: 'any',
    builtins: true,
    instead: 'the exporter builds graphs with onnx and runs them through runtime',
  },
  runtime: {
    imports: { onnx: 'value', lib: 'value' },
    packages: 'any',
    builtins: true,
    instead: 'runtime runs graphs and knows no one above it; hand it values',
  },
  encoder: {
    imports: { runtime: 'value', lib: 'value' },
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
  training: {
    imports: { head: 'value', dataset: 'types', lib: 'value' },
    packages: 'any',
    builtins: true,
    instead: 'training is pure: matrix kernels and rows come in as arguments',
  },
  finetune: {
    imports: {
      onnx: 'value',
      exporter: 'value',
      runtime: 'value',
      training: 'value',
      lib: 'value',
    },
    packages: 'any',
    builtins: true,
    instead: 'finetune builds gradient graphs with onnx and exporter and runs them through runtime',
  },
  dataset: {
    imports: lib,
    packages: ['csv-parse'],
    builtins: true,
    instead: 'dataset reads and writes rows with lib and csv-parse alone',
  },
  lib: {
    imports: {},
    packages: ['zod'],
    builtins: true,
    instead: 'lib lies under everything and uses zod alone',
  },
  cdk: {
    imports: { lib: 'types' },
    packages: 'any',
    builtins: true,
    instead: 'cdk takes names from lib/config as types and files from infra by path',
  },
}

/** Single files that may reach further than their area, each for a reason that DESIGN gives. */
export const EXTRA_ARROWS: readonly {
  readonly from: RegExp
  readonly imports: Readonly<Record<string, Reach>>
}[] = [
  // Loaded by boot.ts when a server is asked for.
  { from: /^functions\/boot\/start-server\.ts$/, imports: { api: 'value' } },
  {
    from: /^shared\/service\/(train|evaluate|adapt)-head[^/]*\.ts$/,
    imports: { training: 'dynamic' },
  },
  {
    from: /^shared\/service\/finetune[^/]*\.ts$/,
    imports: { training: 'dynamic', finetune: 'dynamic' },
  },
]

/** Packages with one home. */
export const PACKAGE_HOMES: readonly {
  readonly name: RegExp
  readonly home: RegExp
  readonly instead: string
}[] = [
  {
    name: /^(hono$|@hono\/)/,
    home: /^functions\/api\//,
    instead: 'only functions/api knows HTTP; answer with a value and let a route send it',
  },
  {
    name: /^@aws-sdk\//,
    home: /^shared\/(registry\/store-s3|service\/bulk-objects)[^/]*\.ts$/,
    instead:
      'use the BlobStore of shared/registry; the SDK lives in store-s3 and in bulk-objects only',
  },
  {
    name: /^onnxruntime-node$/,
    home: /^shared\/runtime\//,
    instead: 'call shared/runtime, the only owner of sessions',
  },
]
