/**
 * Times one softmax head with its choice of lambda for compare-logistic.py:
 *
 *   npx tsx infra/quality/time-softmax.ts FOLDER     with rows.npy and targets.json
 */
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { openMatrixKernels } from '../../shared/runtime/kernels/kernels.ts'
import { LAMBDAS } from '../../shared/training/methods/softmax.ts'
import { trainHead } from '../../shared/training/train-head.ts'

const folder = process.argv[2] ?? '.'
const file = await readFile(join(folder, 'rows.npy'))
const { labels, targets } = JSON.parse(await readFile(join(folder, 'targets.json'), 'utf8')) as {
  labels: string[]
  targets: number[]
}
// The file is our own: version 1, little-endian float32, rows first.
const start = 10 + file.readUInt16LE(8)
const embeddings = new Float32Array(Uint8Array.from(file.subarray(start)).buffer)
const dimension = embeddings.length / targets.length
const set = {
  embeddings,
  dimension,
  labels,
  targets: Int32Array.from(targets),
  labelSets: null,
}
const kernels = await openMatrixKernels({ threads: 2 })
const started = performance.now()
const { candidates } = await trainHead(set, { family: 'timing', method: 'softmax' }, { kernels })
const seconds = (performance.now() - started) / 1000
await kernels.close()
const lambda = candidates[0]?.parameters.lambda
process.stdout.write(`${JSON.stringify({ seconds, lambda, lambdas: LAMBDAS })}\n`)
