import { z } from 'zod'

/** Whether JPEGs that end early or are damaged inside are refused, or decoded as far as they go. */
export type ImageCheck = 'strict' | 'lenient'

/** Most pixels of an image where nobody says otherwise; it is refused before it is decoded. */
export const MAX_IMAGE_PIXELS = 50_000_000
/** Largest file of an image where nobody says otherwise, bytes. */
export const MAX_IMAGE_BYTES = 10 * 1024 * 1024

const side = z.int().min(1).max(4096)
const perChannel = z.tuple([z.number(), z.number(), z.number()])

/**
 * How a decoded image becomes a network's input [3, height, width]: resized, cropped, then each channel
 * (value · scale - mean) / std of values from 0 to 255, mean and std in the order of `channels`.
 */
export const imagePreprocessingSchema = z.object({
  width: side,
  height: side,
  resize: z.object({
    /**
     * `shortest-edge` brings the shorter side to `size` and keeps the proportions; `exact` does not keep them:
     * size × size where a crop follows, else width × height.
     */
    rule: z.enum(['shortest-edge', 'exact']),
    size: side,
    interpolation: z.enum(['cubic', 'linear', 'lanczos3']),
  }),
  /** The middle of what was resized, or nothing, for what has its final size already. */
  crop: z.enum(['center', 'none']),
  channels: z.enum(['rgb', 'bgr']),
  scale: z.number().positive().finite(),
  mean: perChannel,
  std: z.tuple([z.number().positive(), z.number().positive(), z.number().positive()]),
})
export type ImagePreprocessing = z.infer<typeof imagePreprocessingSchema>
