import { EspalierError } from '../lib/errors.ts'
import type { Shape } from './dimensions.ts'
import { createGradientScope, type GradientRule } from './gradient-scope.ts'
import { CONVOLUTION_GRADIENTS } from './gradients-convolution.ts'
import { ELEMENTWISE_GRADIENTS } from './gradients-elementwise.ts'
import { LAYOUT_GRADIENTS } from './gradients-layout.ts'
import { MATRIX_GRADIENTS } from './gradients-matrix.ts'
import { NORMALISING_GRADIENTS } from './gradients-normalising.ts'
import { REDUCTION_GRADIENTS } from './gradients-reduction.ts'
import type { GraphBuilder, Node } from './graph.ts'
import { inferShapes } from './infer-shapes.ts'
import { operatorKey } from './operator-key.ts'

/** Operators by their gradients; the tables give each formula, with dy for the gradient of the output y. */
export const GRADIENT_RULES: Readonly<Record<string, GradientRule>> = {
  ...CONVOLUTION_GRADIENTS,
  ...ELEMENTWISE_GRADIENTS,
  ...LAYOUT_GRADIENTS,
  ...MATRIX_GRADIENTS,
  ...NORMALISING_GRADIENTS,
  ...REDUCTION_GRADIENTS,
}

/** Operators whose outputs do not change with small changes of their inputs. */
export const NOT_DIFFERENTIABLE: ReadonlySet<string> = new Set([
  ...['Shape', 'Size', 'ArgMax', 'ArgMin', 'Sign', 'Not', 'And', 'Or'],
  ...['Equal', 'Greater', 'GreaterOrEqual', 'Less', 'LessOrEqual'],
])

/**
 * Adds the reverse pass of a scalar `loss` to its graph and names the gradients of `wrt`, in that order: inputs,
 * constants or values between. Only nodes on a path from `wrt` to `loss` are differentiated. All of it is
 * float32; shapes must be known up to free names. Reverse mode: Griewank and Walther, 2008, chapter 3.
 * @throws EspalierError `unsupported_model` naming the operator that has no gradient
 */
export function addGradients(g: GraphBuilder, loss: string, wrt: readonly string[]): string[] {
  const forward = g.build()
  const nodes = [...forward.nodes]
  const { shapes, contents } = inferShapes(forward)
  const needed = markDependents(nodes, wrt)
  if (!needed.has(loss)) {
    throw new EspalierError('internal', `${loss} does not depend on ${wrt.join(', ')}`)
  }
  const steps = pathTo(loss, nodes, needed).map((node) => {
    const rule = GRADIENT_RULES[operatorKey(node)]
    if (!rule) throw refuse(node)
    return { node, rule }
  })
  const sums = new GradientSums(g)
  sums.add(loss, createSeed(g, shapes.get(loss), loss))
  const scope = createGradientScope(g, shapes, contents)
  for (const { node, rule } of steps) {
    const outputs = node.outputs.map((name) => (name === '' ? null : sums.get(name)))
    if (outputs.every((gradient) => gradient === null)) continue
    rule({
      ...scope,
      node,
      gradient: (index = 0) => outputs[index] ?? null,
      wants: (index) => needed.has(node.inputs[index] ?? ''),
      give: (index, gradient) => sums.add(node.inputs[index] as string, gradient),
      takePending: (index) => sums.take(node.inputs[index] as string),
      refusal: (how) => refuse(node, ` ${how}`),
    })
  }
  const named = new Set<string>()
  return wrt.map((name) => {
    const gradient = sums.get(name)
    if (gradient === null) {
      throw new EspalierError('internal', `${loss} does not depend on ${name}`)
    }
    // The two sides of an addition share a gradient; outputs of a graph need names of their own.
    const own = named.has(gradient) ? g.op('Identity', [gradient]) : gradient
    named.add(own)
    return own
  })
}

function refuse(node: Node, how = ''): EspalierError {
  return new EspalierError(
    'unsupported_model',
    `operator ${operatorKey(node)}${how} (node ${node.name}) has no gradient, so this encoder cannot be trained; train a head on its vectors instead`,
  )
}

/** The names of all values that depend on `wrt` by operators that have derivatives. */
function markDependents(nodes: readonly Node[], wrt: readonly string[]): Set<string> {
  const needed = new Set(wrt)
  for (const node of nodes) {
    if (NOT_DIFFERENTIABLE.has(operatorKey(node))) continue
    if (node.inputs.some((name) => needed.has(name))) {
      for (const name of node.outputs) if (name !== '') needed.add(name)
    }
  }
  return needed
}

/** The nodes between `wrt` and the loss, last one first. */
function pathTo(loss: string, nodes: readonly Node[], needed: ReadonlySet<string>): Node[] {
  const wanted = new Set([loss])
  return [...nodes].reverse().filter((node) => {
    const onPath = node.outputs.some((name) => wanted.has(name) && needed.has(name))
    if (onPath) for (const name of node.inputs) if (needed.has(name)) wanted.add(name)
    return onPath
  })
}

function createSeed(g: GraphBuilder, shape: Shape | undefined, loss: string): string {
  if (!shape) {
    throw new EspalierError('unsupported_model', `the shape of ${loss} is not known before a run`)
  }
  if (!shape.every((dim) => dim === 1)) {
    throw new EspalierError('internal', `${loss} is not a scalar: [${shape.join(', ')}]`)
  }
  return g.constant(
    g.unusedName('gradient_seed'),
    'float32',
    shape as readonly number[],
    Float32Array.of(1),
  )
}

/** Adds up what the consumers of a value contribute to its gradient. */
class GradientSums {
  readonly #g: GraphBuilder
  readonly #sums = new Map<string, string>()

  constructor(g: GraphBuilder) {
    this.#g = g
  }

  get(value: string): string | null {
    return this.#sums.get(value) ?? null
  }

  add(value: string, gradient: string): void {
    const sum = this.#sums.get(value)
    this.#sums.set(value, sum === undefined ? gradient : this.#g.op('Add', [sum, gradient]))
  }

  /** Hands out the sum so far, for an operator that adds to it in passing. */
  take(value: string): string | null {
    const sum = this.#sums.get(value) ?? null
    this.#sums.delete(value)
    return sum
  }
}
