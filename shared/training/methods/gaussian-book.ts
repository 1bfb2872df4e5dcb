import type { Matrix, MatrixKernels } from '../../lib/maths/matrix-kernels.ts'
import { type ClassGaussians, factorShared, fitGaussians, type SharedFactor } from './gaussian.ts'

/** Measures and factors each set of rows once, for all who need it: discriminant analysis and the detector. */
export class GaussianBook {
  readonly #kernels: MatrixKernels
  readonly #ambient: number
  readonly #measured = new WeakMap<Matrix, Map<number, Promise<ClassGaussians>>>()
  readonly #factors = new WeakMap<ClassGaussians, Map<number, SharedFactor>>()

  /** `ambient` is the dimension of the embedding whose coordinates the rows are. */
  constructor(kernels: MatrixKernels, ambient: number) {
    this.#kernels = kernels
    this.#ambient = ambient
  }

  /** The classes of some rows; the same rows must always come with the same groups for a number of classes. */
  measure(rows: Matrix, groups: Int32Array, classes: number): Promise<ClassGaussians> {
    return remember(this.#measured, rows, classes, () =>
      fitGaussians(this.#kernels, rows, groups, classes, this.#ambient),
    )
  }

  factor(gaussians: ClassGaussians, shrinkage: number): SharedFactor {
    return remember(this.#factors, gaussians, shrinkage, () => factorShared(gaussians, shrinkage))
  }
}

function remember<K extends object, V>(
  book: WeakMap<K, Map<number, V>>,
  key: K,
  setting: number,
  make: () => V,
): V {
  const page = book.get(key) ?? new Map<number, V>()
  book.set(key, page)
  const found = page.get(setting)
  if (found !== undefined) return found
  const made = make()
  page.set(setting, made)
  return made
}
