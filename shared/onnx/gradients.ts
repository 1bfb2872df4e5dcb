import type { GradientRule } from './gradient-scope.ts'
import { CONVOLUTION_GRADIENTS } from './gradients-convolution.ts'
import { ELEMENTWISE_GRADIENTS } from './gradients-elementwise.ts'
import { LAYOUT_GRADIENTS } from './gradients-layout.ts'
import { MATRIX_GRADIENTS } from './gradients-matrix.ts'
import { NORMALISING_GRADIENTS } from './gradients-normalising.ts'
import { REDUCTION_GRADIENTS } from './gradients-reduction.ts'

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
