import type { EncoderWeights } from '../source/weights.ts'

/** Multiplications that calibration may take for all texts together: about 15 seconds of one core. */
const MAX_WORK = 175e9
/** Fewer tokens leave directions of wide layers unseen. */
const MIN_TOKENS = 2_048
/** More tokens teach nothing; sums of 255² over this many fit 32 bits. */
const MAX_TOKENS = 16_384

/**
 * The texts that an encoder is calibrated with: all of them where it is small, else those that bring most tokens
 * not seen before, for their length, so that few texts are diverse ones. Their order stays.
 */
export function sampleTexts(
  weights: Pick<EncoderWeights, 'layers'>,
  texts: readonly Int32Array[],
): Int32Array[] {
  const perToken = weights.layers.reduce(
    (sum, { qkv, out, ffnIn, ffnOut }) =>
      sum + [qkv, out, ffnIn, ffnOut].reduce((size, { weight }) => size + weight.length, 0),
    0,
  )
  const wanted = Math.floor(MAX_WORK / Math.max(perToken, 1))
  return pickDiverse(texts, Math.min(MAX_TOKENS, Math.max(MIN_TOKENS, wanted)))
}

/** Texts of at most `budget` tokens in all, greedily by the share of tokens that are new. */
export function pickDiverse(texts: readonly Int32Array[], budget: number): Int32Array[] {
  if (texts.reduce((sum, text) => sum + text.length, 0) <= budget) return [...texts]
  const seen = new Set<number>()
  const newShare = (text: Int32Array) =>
    new Set(text.filter((id) => !seen.has(id))).size / text.length
  const queue = texts.map((text, index) => ({ text, index, share: newShare(text) }))
  const picked: { text: Int32Array; index: number }[] = []
  let room = budget
  while (queue.length > 0) {
    // Shares only fall: whoever is first with an up-to-date one is best.
    queue.sort((a, b) => b.share - a.share || a.index - b.index)
    const [best] = queue as [(typeof queue)[number]]
    const share = newShare(best.text)
    if (share < best.share) {
      best.share = share
      continue
    }
    queue.shift()
    if (best.text.length > room) continue
    room -= best.text.length
    picked.push(best)
    for (const id of best.text) seen.add(id)
  }
  return picked.sort((a, b) => a.index - b.index).map(({ text }) => text)
}
