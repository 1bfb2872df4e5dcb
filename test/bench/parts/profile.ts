import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { createBoot } from '../../../functions/boot/boot.ts'
import { BUILTIN_FOLDER, PRECISIONS } from '../contestants/own.ts'
import type { BenchContext } from '../context.ts'
import { type OperatorTimes, profileOperators } from '../matrix/profile-operators.ts'
import type { RunShape } from '../matrix/run-products.ts'
import type { Table } from '../report/part-result.ts'
import { fixed, percent } from '../report/table.ts'

/** About 512 tokens a run: of short, middling and long texts. */
const SHAPES: readonly RunShape[] = [
  { batch: 32, width: 16 },
  { batch: 8, width: 64 },
  { batch: 2, width: 256 },
]
/** Attention counts whole: its softmax is inside it. */
const PRODUCTS = new Set(['MatMul', 'FusedMatMul', 'Gemm', 'MatMulIntegerToFloat', 'Attention'])
/** Operators below this share at every shape are summed up. */
const MIN_SHARE = 0.01

/** Where the time of one run goes, by operator, as ONNX Runtime's profiler sees it. */
export async function measureProfile(
  context: BenchContext,
): Promise<{ readonly method: string; readonly tables: readonly Table[] }> {
  const boot = createBoot({ root: pathToFileURL(`${context.root}/`), version: 'bench' })
  const tables: Table[] = []
  for (const precision of PRECISIONS) {
    if (!context.wants(context.own.engine({ precision }).name)) continue
    context.say(`kernels: profiling ${precision}`)
    const source = join(context.root, BUILTIN_FOLDER)
    tables.push(tableOf(precision, await profileOperators(boot, source, precision, SHAPES)))
  }
  return {
    method:
      'The other tables show one run of the graph on one thread under the profiler of ONNX Runtime, whose own cost is in every node: the least of its runs by operator, as shares of the sum.',
    tables,
  }
}

function tableOf(precision: string, found: readonly OperatorTimes[]): Table {
  const totals = found.map((times) => [...times.values()].reduce((sum, ms) => sum + ms, 0))
  const share = (op: string, at: number) => (found[at]?.get(op) ?? 0) / (totals[at] ?? 1)
  const shares = (ops: readonly string[]) =>
    found.map((_, at) => ops.reduce((sum, op) => sum + share(op, at), 0))
  const operators = [...new Set(found.flatMap((times) => [...times.keys()]))]
  const large = operators.filter((op) => found.some((_, at) => share(op, at) >= MIN_SHARE))
  const small = operators.filter((op) => !large.includes(op))
  large.sort((a, b) => share(b, 0) - share(a, 0))
  const line = (name: string, ops: readonly string[]) => [name, ...shares(ops).map(percent)]
  return {
    head: [`${precision}: operator`, ...SHAPES.map(({ batch, width }) => `${batch} × ${width}`)],
    words: 1,
    rows: [
      ...large.map((op) => line(op, [op])),
      line(`${small.length} others`, small),
      line(
        'matrix products and Attention',
        operators.filter((op) => PRODUCTS.has(op)),
      ),
      ['ms a run', ...totals.map((total) => fixed(total, 2))],
    ],
  }
}
