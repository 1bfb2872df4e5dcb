/** More files than this in one folder and it needs rooms: folders within it. */
export const MAX_FILES_A_FOLDER = 25

/** A file with fewer lines belongs to the file that imports it, unless several do. */
export const MIN_LINES = 40

/** So many importers make a small file, or a file of types alone, a part of its own. */
export const MIN_IMPORTERS = 3

/** Small files that stand alone by what they are: entries of a process or thread, schemas, routes, commands, sections of reports. */
export const SMALL_BY_KIND: readonly RegExp[] = [
  /^functions\/(?:api\/lambda\/lambda|events\/(?:handler|bake))\.ts$/,
  /^functions\/api\/routes\//,
  /^functions\/cli\/(?:main|start|commands\/.+)\.ts$/,
  /^shared\/contract\//,
  /^shared\/lib\/manifests\//,
  /^shared\/reports\/sections\//,
  /^shared\/(?:runtime\/workers|finetune)\/worker\.ts$/,
  /\.d\.ts$/,
]

/** Small files with fewer importers that are better alone, each with the reason. */
export const SMALL_BY_CHOICE: Readonly<Record<string, string>> = {
  'shared/runtime/image/resample-code.ts': 'infra/assemble.ts writes it from resample.wat',
  'shared/finetune/optimise/adamw-code.ts': 'infra/assemble.ts writes it from adamw.wat',
  'functions/events/json-log.ts': 'each entry of functions/events loads it without the other one',
  'shared/exporter/architectures/roberta.ts': 'each architecture of the table is a file of its own',
  'shared/exporter/architectures/mpnet.ts': 'each architecture of the table is a file of its own',
  'functions/boot/start-service.ts': 'the library loads it without the parts of HTTP',
  'shared/client/client-error.ts': 'declarations of the client are made from it alone',
  'shared/lib/maths/select-largest.ts': 'the plain search of the tests selects as the kernels do',
  'shared/training/methods/knn.ts': 'each method of the table is a file of its own',
  'shared/reports/render-markdown.ts':
    'the way into Markdown stands beside those into HTML and JSON',
  'functions/boot/prespawn-worker.ts':
    'an entry loads it alone, and starts the first worker, before everything else',
}
