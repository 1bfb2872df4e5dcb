import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { serializeModel } from '../../../shared/onnx/writer.ts'
import { openSession } from '../../../shared/runtime/session.ts'
import { withScratchFolder } from '../../bench/lib/scratch-folder.ts'
import {
  buildProductsGraph,
  countOperations,
  PRODUCT_INPUTS,
} from '../../bench/matrix/products-graph.ts'
import { sumOperators } from '../../bench/matrix/profile-operators.ts'
import { openProducts } from '../../bench/matrix/run-products.ts'

const SHAPE = { layers: 3, hidden: 16, heads: 2, intermediate: 32 }
const LINEARS = 4 * SHAPE.layers

describe('buildProductsGraph', () => {
  it.each([
    ['int8', 'MatMulIntegerToFloat'],
    ['float32', 'Gemm'],
  ] as const)('runs every product of %s though nothing reads it', async (precision, linear) => {
    await withScratchFolder(async (folder) => {
      const model = serializeModel(buildProductsGraph(SHAPE, precision)).graph
      const profile = join(folder, 'products')
      const session = await openSession(model, { optimization: 'disabled', profile })
      const rows = precision === 'int8' ? new Uint8Array(6 * 32) : new Float32Array(6 * 32)
      await session.run({
        [PRODUCT_INPUTS.states]: { data: rows.subarray(0, 6 * 16), dims: [6, 16] },
        [PRODUCT_INPUTS.inner]: { data: rows, dims: [6, 32] },
        [PRODUCT_INPUTS.parts]: { data: new Float32Array(6 * 16), dims: [2, 2, 3, 8] },
        [PRODUCT_INPUTS.shares]: { data: new Float32Array(36), dims: [2, 2, 3, 3] },
      })
      await session.release()
      const [file] = await readdir(folder)
      const events = JSON.parse(await readFile(join(folder, file as string), 'utf8')) as {
        readonly name: string
        readonly args?: { readonly op_name?: string }
      }[]
      const ran = events
        .filter(({ name }) => name.endsWith('_kernel_time'))
        .map(({ args }) => args?.op_name)
      const count = (op: string) => ran.filter((name) => name === op).length
      expect([linear, 'FusedMatMul', 'MatMul'].map(count)).toEqual([LINEARS, 3, 3])
    })
  })

  it('serves runs of all sizes up to those it was opened for', async () => {
    const runs = [
      { batch: 4, width: 2 },
      { batch: 1, width: 8 },
    ]
    const products = await openProducts(SHAPE, 'int8', runs)
    for (const run of [...runs, { batch: 1, width: 1 }]) {
      await expect(products.run(run)).resolves.toBeUndefined()
    }
    await products.release()
  })
})

describe('countOperations', () => {
  it('agrees with the published count for one layer of BERT-base', () => {
    // 12·h²·2 for the linear layers and 4·L·h for attention, a token: Kaplan et al., 2020, table 1.
    const base = { layers: 1, hidden: 768, heads: 12, intermediate: 3072 }
    const perToken = 24 * 768 ** 2 + 4 * 128 * 768
    expect(countOperations(base, { batch: 2, width: 128 })).toBe(256 * perToken)
  })
})

describe('sumOperators', () => {
  it('sums nodes of an operator in a run and takes the least over runs after the warm-up', () => {
    const node = (name: string, op: string, dur: number) => {
      return { cat: 'Node', name: `${name}_kernel_time`, dur, args: { op_name: op } }
    }
    const run = (a: number, b: number, c: number) => [
      { cat: 'Session', name: 'model_run', dur: 9999 },
      node('add0', 'Add', a),
      node('add1', 'Add', b),
      node('mul0', 'Mul', c),
    ]
    const events = [...run(9000, 9000, 9000), ...run(1000, 2000, 5000), ...run(3000, 4000, 7000)]
    expect(Object.fromEntries(sumOperators(events, 1))).toEqual({ Add: 3, Mul: 5 })
  })
})
