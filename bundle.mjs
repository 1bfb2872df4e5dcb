// Bundles the program into a folder, packages included, so that a start reads few files. The native libraries of
// ONNX Runtime and sharp stay outside. The worker is an entry of its own, because a TypeScript worker cannot be
// loaded on Node 20, and CommonJS, because a thread starts sooner without the loader of ES modules.
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'
import { writeLicences } from './infra/package/licences.mjs'

const root = fileURLToPath(new URL('.', import.meta.url))
const shared = {
  absWorkingDir: root,
  bundle: true,
  platform: 'node',
  target: 'node20',
  minifySyntax: true,
  metafile: true,
  logLevel: 'warning',
}

/** Clients of commands that ask AWS. */
const ASKED_CLIENTS = ['acm', 'ec2', 'lambda', 'route-53', 'service-quotas']
/** CommonJS packages ask for Node's modules with `require`. */
const REQUIRE = {
  js: "import { createRequire } from 'node:module'; const require = createRequire(import.meta.url);",
}

/**
 * Writes `cli.js`, `lambda.js` and `index.js` (the library) with their chunks, `client.js`, and the workers of encoders
 * and of fine-tuning into a folder, with the licences of the packages that went into them. Gives those, by folder.
 */
export async function bundleProgram(outdir, { sourcemap = false } = {}) {
  const results = await Promise.all([
    build({
      ...shared,
      entryPoints: {
        cli: 'functions/cli/main.ts',
        lambda: 'functions/api/lambda/lambda.ts',
        index: 'functions/library/index.ts',
      },
      outdir,
      format: 'esm',
      splitting: true,
      chunkNames: 'chunks/[name]-[hash]',
      external: ['sharp'],
      // Its modules for Node declare a `require` of their own, for threads that nobody asks for.
      alias: {
        fflate: fileURLToPath(new URL('node_modules/fflate/esm/browser.js', import.meta.url)),
      },
      plugins: [shakeZod, shakeClients(ASKED_CLIENTS), inlineOnnxRuntime, trimPromClient],
      banner: REQUIRE,
      sourcemap,
    }),
    bundleClient(`${outdir}/client.js`, { sourcemap }),
    bundleWorker(`${outdir}/encoder-worker.cjs`, { sourcemap }),
    bundleWorker(`${outdir}/finetune-worker.cjs`, {
      entry: 'shared/finetune/worker.ts',
      sourcemap,
    }),
  ])
  return writeLicencesOf(results, outdir)
}

/**
 * Writes `handler.mjs`, the function that tells of changes of models, and `bake.mjs`, which looks after new champions,
 * each with all that it needs but Node, and the licences of the packages that went into them. Gives those, by folder.
 */
export async function bundleEvents(outdir) {
  const result = await build({
    ...shared,
    entryPoints: { handler: 'functions/events/handler.ts', bake: 'functions/events/bake.ts' },
    outdir,
    outExtension: { '.js': '.mjs' },
    format: 'esm',
    plugins: [shakeZod, shakeClients(['cloudwatch-logs', 'eventbridge', 's3'])],
    banner: REQUIRE,
  })
  return writeLicencesOf([result], outdir)
}

function writeLicencesOf(results, outdir) {
  const inputs = results.flatMap(({ metafile }) => Object.keys(metafile.inputs))
  const folders = inputs.map((path) => /^.*node_modules\/(?:@[^/]+\/)?[^/]+/.exec(path)?.[0])
  const packages = [...new Set(folders.filter((folder) => folder !== undefined))].sort()
  writeLicences(packages, `${outdir}/THIRD_PARTY_LICENSES.txt`)
  return packages
}

/** Writes the client of the HTTP API into one file, for anything that has `fetch`. */
export async function bundleClient(outfile, { sourcemap = false } = {}) {
  return build({
    ...shared,
    entryPoints: ['shared/client/client.ts'],
    outfile,
    format: 'esm',
    platform: 'neutral',
    target: 'es2022',
    sourcemap,
  })
}

/** Writes the encoder worker, or another one, into one file. */
export async function bundleWorker(
  outfile,
  { entry = 'shared/runtime/workers/worker.ts', sourcemap = false } = {},
) {
  return build({
    ...shared,
    entryPoints: [entry],
    outfile,
    format: 'cjs',
    external: ['sharp'],
    plugins: [shakeZod, inlineOnnxRuntime],
    sourcemap,
  })
}

/** A namespace import lets esbuild leave out what is not used, above all the translations: 370 of 450 KB. */
const shakeZod = {
  name: 'shake-zod',
  setup(plugin) {
    plugin.onLoad({ filter: /[\\/](?:shared|functions)[\\/].*\.ts$/ }, ({ path }) => ({
      contents: readFileSync(path, 'utf8').replace(
        /^import \{ z \} from 'zod'/m,
        "import * as z from 'zod'",
      ),
      loader: 'ts',
    }))
  },
}

/**
 * The modules of these clients, of which esbuild leaves out what is not used; by default it takes the one CommonJS file
 * of each, with every command of the service: 2 MB of EC2 alone. Computed keys would keep shapes that nothing uses.
 */
const shakeClients = (names) => ({
  name: 'shake-aws-clients',
  setup(plugin) {
    plugin.onResolve(
      { filter: new RegExp(`^@aws-sdk/client-(?:${names.join('|')})$`) },
      ({ path }) => ({
        path: fileURLToPath(new URL(`node_modules/${path}/dist-es/index.js`, import.meta.url)),
        sideEffects: false,
      }),
    )
    plugin.onLoad(
      { filter: /client-[a-z0-9-]+[\\/]dist-es[\\/]schemas[\\/].*\.js$/ },
      ({ path }) => {
        const source = readFileSync(path, 'utf8')
        const names = new Map(
          [...source.matchAll(/^const (_\w+) = ("[^"\\]*");$/gm)].map(([, name, text]) => [
            name,
            text,
          ]),
        )
        const contents = source.replace(/\[(_\w+)\]:/g, (key, name) =>
          names.has(name) ? `${names.get(name)}:` : key,
        )
        return { contents, loader: 'js' }
      },
    )
  },
})

/**
 * Takes in the JavaScript of onnxruntime-node, thirty small files. Its native binding is that of the package where it
 * is installed beside the program in the same version, with CUDA perhaps; else the one that the program carries.
 */
const inlineOnnxRuntime = {
  name: 'inline-onnxruntime',
  setup(plugin) {
    const manifest = new URL('node_modules/onnxruntime-node/package.json', import.meta.url)
    const { version } = JSON.parse(readFileSync(manifest, 'utf8'))
    plugin.onLoad({ filter: /onnxruntime-node[\\/]dist[\\/]binding\.js$/ }, ({ path }) => ({
      contents: readFileSync(path, 'utf8').replace(/require\(`\.\.\/bin\/[^`]*`\)/, () =>
        findBinding(version),
      ),
    }))
    plugin.onResolve({ filter: /^onnxruntime-node\/package\.json$/ }, ({ path }) => ({
      path,
      external: true,
    }))
  },
}

/** An expression for the native binding; infra/package carries it under `#native`. */
function findBinding(version) {
  return `(() => {
    const machine = process.platform + '/' + process.arch
    let beside
    try { beside = require('onnxruntime-node/package.json').version } catch {}
    if (beside === '${version}') {
      return require(\`onnxruntime-node/bin/napi-v6/\${machine}/onnxruntime_binding.node\`)
    }
    try {
      return require(\`#native/\${machine}/onnxruntime_binding.node\`)
    } catch (error) {
      if (error.code !== 'MODULE_NOT_FOUND') throw error
      throw new Error(
        \`espalier carries no ONNX Runtime for \${machine}; add it with: npm install onnxruntime-node@${version}\`,
        { cause: error },
      )
    }
  })()`
}

/** Leaves out what no part of the server asks for: process metrics, the push gateway, clusters. */
const trimPromClient = {
  name: 'trim-prom-client',
  setup(plugin) {
    plugin.onLoad(
      { filter: /prom-client[\\/]lib[\\/](?:defaultMetrics|pushgateway|cluster)\.js$/ },
      () => ({ contents: 'module.exports = undefined' }),
    )
  },
}
