import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import type { EngineSpec } from './engine-process.ts'

/** Peers that can run here, and why others cannot. */
export interface Peers {
  readonly specs: readonly EngineSpec[]
  readonly notes: readonly string[]
}

const FILES = { fp32: 'model.onnx', q8: 'model_quantized.onnx' } as const
/** One text a run and batches as users send them: which is faster depends on the texts. */
const BATCH_SIZES = [1, 32]

/**
 * Prepares @huggingface/transformers: installs it into its own folder on first use.
 * @param model folder with config, tokenizer and `onnx/`, made by test/bench/peers/make-peer-model.py
 */
export function preparePeers(root: string, model: string | undefined): Peers {
  const folder = join(root, 'test', 'bench', 'peers')
  if (model === undefined || !existsSync(join(model, 'onnx'))) {
    const how = 'set PEER_MODEL to a folder made by test/bench/peers/make-peer-model.py'
    return { specs: [], notes: [`transformers.js was not measured: ${how}`] }
  }
  const failure = install(folder)
  if (failure !== null) {
    return { specs: [], notes: [`transformers.js was not measured: ${failure}`] }
  }
  const specs: EngineSpec[] = []
  const notes: string[] = []
  for (const [dtype, file] of Object.entries(FILES)) {
    if (!existsSync(join(model, 'onnx', file))) {
      notes.push(`transformers.js ${dtype} was not measured: no onnx/${file} in PEER_MODEL`)
      continue
    }
    for (const batch of BATCH_SIZES) {
      specs.push({
        name: `transformers.js ${dtype} b${batch}`,
        script: join(folder, 'transformers-engine.mjs'),
        args: [model, dtype, String(batch)],
      })
    }
  }
  return { specs, notes }
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
