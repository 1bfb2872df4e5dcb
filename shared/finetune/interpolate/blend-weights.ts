/** Shares of the tuned weights that are tried; 0 is the base itself. */
export const ALPHAS = [0, 0.25, 0.5, 0.75, 1] as const

/**
 * Weights between base and tuned ones, (1 − alpha) base + alpha tuned, into `into`: WiSE-FT (Wortsman et al., 2022,
 * "Robust fine-tuning of zero-shot models", https://arxiv.org/abs/2109.01903). To the bit at 0 and at 1.
 */
export function blendWeights(
  base: Float32Array,
  tuned: Float32Array,
  alpha: number,
  into: Float32Array,
): void {
  if (alpha === 0 || alpha === 1) {
    into.set(alpha === 0 ? base : tuned)
    return
  }
  for (let i = 0; i < into.length; i++) {
    into[i] = (1 - alpha) * (base[i] as number) + alpha * (tuned[i] as number)
  }
}
