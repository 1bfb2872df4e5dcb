import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import type { ChildSpec } from './child.ts'

/** @huggingface/transformers with one file and one batch size. */
export interface TransformersSpec extends ChildSpec {
  readonly peer: 'tjs-fp32' | 'tjs-q8'
  readonly batch: number
}

/** What can run here, and why other things cannot. */
export interface TransformersPeer {
  readonly specs: readonly TransformersSpec[]
  readonly notes: readonly string[]
}

const FILES = [
  { dtype: 'fp32', peer: 'tjs-fp32', file: 'model.onnx' },
  { dtype: 'q8', peer: 'tjs-q8', file: 'model_quantized.onnx' },
] as const
/** One text a run and batches as users send them: which is faster depends on the texts. */
const BATCH_SIZES = [1, 32]

/**
 * Prepares @huggingface/transformers: installs it into its own folder on first use.
 * @param model folder with config, tokenizer and `onnx/`, made by test/bench/peers/make-peer-model.py
 */
export function prepareTransformers(root: string, model: string | undefined): TransformersPeer {
  const folder = join(root, 'test', 'bench', 'peers')
  const failure =
    model !== undefined && existsSync(join(model, 'onnx'))
      ? install(folder)
      : 'set PEER_MODEL to a folder made by test/bench/peers/make-peer-model.py'
  if (failure !== null || model === undefined) {
    return { specs: [], notes: [`transformers.js was not measured: ${failure}`] }
  }
  const missing = FILES.filter(({ file }) => !existsSync(join(model, 'onnx', file)))
  return {
    specs: FILES.filter((file) => !missing.includes(file)).flatMap(({ dtype, peer }) =>
      BATCH_SIZES.map((batch) => ({
        peer,
        batch,
        name: `transformers.js ${dtype} b${batch}`,
        script: join(folder, 'transformers-engine.mjs'),
        args: [model, dtype, String(batch)],
      })),
    ),
    notes: missing.map(
      ({ dtype, file }) =>
        `transformers.js ${dtype} was not measured: no onnx/${file} in PEER_MODEL`,
    ),
  }
}

/** Returns what went wrong, or null. */
function install(folder: string): string | null {
  if (existsSync(join(folder, 'node_modules', '@huggingface', 'transformers'))) return null
  process.stderr.write('installing @huggingface/transformers for comparison (about 470 MB) …\n')
  const { status, stderr } = spawnSync(
    'npm',
    ['install', '--no-package-lock', '--no-audit', '--no-fund'],
    {
      cwd: folder,
      encoding: 'utf8',
      stdio: ['ignore', 'ignore', 'pipe'],
      // The CUDA libraries of onnxruntime-node are a download of their own, and not needed.
      env: { ...process.env, ONNXRUNTIME_NODE_INSTALL: 'skip' },
    },
  )
  if (status === 0) return null
  const reason = (stderr ?? '').trim().split('\n').at(-1) ?? ''
  return `npm install in test/bench/peers failed (${reason || `status ${status}`})`
}
