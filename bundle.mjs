// Bundles the program into a folder, packages included, so that a start reads few files. ONNX Runtime and
// sharp stay outside: their libraries are native. The worker is an entry of its own, because a TypeScript worker
// cannot be loaded on Node 20, and CommonJS, because a thread starts sooner without the loader of ES modules.
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'

const root = fileURLToPath(new URL('.', import.meta.url))
const shared = {
  absWorkingDir: root,
  bundle: true,
  platform: 'node',
  target: 'node20',
  minifySyntax: true,
  logLevel: 'warning',
}

/** Writes `cli.js` and `lambda.js` with their chunks, and the workers of encoders and of fine-tuning into a folder. */
export async function bundleProgram(outdir, { sourcemap = false } = {}) {
  await Promise.all([
    build({
      ...shared,
      entryPoints: { cli: 'functions/cli/main.ts', lambda: 'functions/api/lambda/lambda.ts' },
      outdir,
      format: 'esm',
      splitting: true,
      chunkNames: 'chunks/[name]-[hash]',
      external: ['onnxruntime-node', 'sharp'],
      plugins: [shakeZod, trimPromClient],
      // CommonJS packages ask for Node's modules with `require`.
      banner: {
        js: "import { createRequire } from 'node:module'; const require = createRequire(import.meta.url);",
      },
      sourcemap,
    }),
    bundleWorker(`${outdir}/encoder-worker.cjs`, { sourcemap }),
    bundleWorker(`${outdir}/finetune-worker.cjs`, {
      entry: 'shared/finetune/worker.ts',
      sourcemap,
    }),
  ])
}

/** Writes the encoder worker, or another one, into one file. */
export async function bundleWorker(
  outfile,
  { entry = 'shared/runtime/workers/worker.ts', sourcemap = false } = {},
) {
  await build({
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

/** Takes in the JavaScript of onnxruntime-node, thirty small files; the native binding is found by name. */
const inlineOnnxRuntime = {
  name: 'inline-onnxruntime',
  setup(plugin) {
    plugin.onLoad({ filter: /onnxruntime-node[\\/]dist[\\/]binding\.js$/ }, ({ path }) => ({
      contents: readFileSync(path, 'utf8').replace(
        'require(`../bin/',
        'require(`onnxruntime-node/bin/',
      ),
    }))
    plugin.onResolve({ filter: /\.node$/ }, ({ path }) => ({ path, external: true }))
  },
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
