/** A dense row-major float32 matrix. */
export interface Matrix {
  readonly data: Float32Array
  readonly rows: number
  readonly columns: number
}

/** The rows that a linear classifier is fitted to. */
export interface LossRows {
  /** Shape [rows, dimension]. */
  readonly features: Matrix
  /** Shape [rows, classes]: one-hot for softmax, 0 or 1 per label for sigmoid. */
  readonly targets: Matrix
  /** Shape [rows]; they sum to 1, so that the loss is a mean. */
  readonly rowWeights: Float32Array
  readonly activation: 'softmax' | 'sigmoid'
}

/** Cross-entropy of a linear classifier and its derivatives, without any penalty. */
export interface LossResult {
  readonly loss: number
  /** Shape [classes, dimension]. */
  readonly gradient: Float64Array
  /** Shape [classes]. */
  readonly biasGradient: Float64Array
  /** Shape [classes]: weighted mean of p (1 - p), the curvature along the bias. */
  readonly curvature: Float64Array
}

/** The best `k` rows of `keys` for every query, best first; ties go to the lower row. */
export interface NearestRows {
  /** Shape [queries, k]. */
  readonly similarities: Float32Array
  /** Shape [queries, k]. */
  readonly indices: Int32Array
  readonly k: number
}

/** The heavy matrix work of training, so that pure code can run on any engine. */
export interface MatrixKernels {
  /** op(A) · op(B), where op transposes on request. */
  multiply(
    a: Matrix,
    b: Matrix,
    options?: { readonly transposeA?: boolean; readonly transposeB?: boolean },
  ): Promise<Matrix>
  /** Loss and derivatives at `weights` [classes, dimension] and `bias` [classes]. */
  loss(rows: LossRows, weights: Float64Array, bias: Float64Array): Promise<LossResult>
  /** Inner-product search; `k` is cut to the number of keys. */
  nearest(queries: Matrix, keys: Matrix, k: number): Promise<NearestRows>
}
