import { z } from 'zod'
import { EspalierError } from '../../lib/errors.ts'
import type { ImagePreprocessing } from '../../lib/manifests/image-preprocessing.ts'

const side = z.int().min(1).max(4096)
const square = z.object({ height: side, width: side })
const perChannel = z.tuple([z.number(), z.number(), z.number()])

/** What is read of a Hugging Face `preprocessor_config.json`, and `channel_order`, which is ours. */
export const preprocessorConfigSchema = z.looseObject({
  do_resize: z.boolean().default(true),
  do_center_crop: z.boolean().default(false),
  do_rescale: z.boolean().default(true),
  do_normalize: z.boolean().default(true),
  size: z.union([side, square, z.object({ shortest_edge: side })]),
  crop_size: z.union([side, square]).optional(),
  crop_pct: z.number().min(0.1).max(1).nullish(),
  resample: z.int().default(2),
  rescale_factor: z
    .number()
    .positive()
    .default(1 / 255),
  image_mean: perChannel.optional(),
  image_std: perChannel.optional(),
  channel_order: z.enum(['RGB', 'BGR']).default('RGB'),
})
type PreprocessorConfig = z.infer<typeof preprocessorConfigSchema>

/** Pillow's numbers of its filters, as far as they are offered. */
const FILTERS = new Map<number, ImagePreprocessing['resize']['interpolation']>([
  [1, 'lanczos3'],
  [2, 'linear'],
  [3, 'cubic'],
])
/** From this size on, processors with `crop_pct` alone do not crop (ConvNeXT and its like). */
const UNCROPPED_SIDE = 384

/**
 * Turns Hugging Face's settings into ours.
 * @throws EspalierError `unsupported_model` naming the setting
 */
export function fromPreprocessorConfig(config: PreprocessorConfig): ImagePreprocessing {
  const interpolation = FILTERS.get(config.resample)
  if (!interpolation) {
    const known = [...FILTERS].map(([number, name]) => `${number} (${name})`).join(', ')
    throw unsupported(`resample ${config.resample}; supported: ${known}`)
  }
  if (!config.do_resize) throw unsupported('do_resize false: every image must get one size')
  const { do_rescale, do_normalize, image_mean, image_std } = config
  if (do_normalize && !(image_mean && image_std)) {
    throw unsupported('do_normalize without image_mean and image_std of three numbers')
  }
  const [red = 1, green = 1, blue = 1] = (do_normalize && image_std) || []
  return {
    ...planSizes(config, interpolation),
    channels: config.channel_order === 'BGR' ? 'bgr' : 'rgb',
    scale: do_rescale ? config.rescale_factor : 1,
    mean: (do_normalize && image_mean) || [0, 0, 0],
    std: [red, green, blue],
  }
}

type Sizes = Pick<ImagePreprocessing, 'width' | 'height' | 'resize' | 'crop'>

function planSizes(
  { size, crop_size, crop_pct, do_center_crop }: PreprocessorConfig,
  interpolation: ImagePreprocessing['resize']['interpolation'],
): Sizes {
  const fixed = typeof size === 'number' ? { width: size, height: size } : size
  if ('shortest_edge' in fixed) {
    const { shortest_edge: edge } = fixed
    if (do_center_crop) return cropped(edge, crop_size ?? edge)
    if (crop_pct == null) throw unsupported('size.shortest_edge without do_center_crop')
    if (edge >= UNCROPPED_SIDE) return exact({ width: edge, height: edge })
    return cropped(Math.floor(edge / crop_pct), edge)
  }
  if (!do_center_crop) return exact(fixed)
  if (crop_size === undefined) {
    const edge = Math.floor(Math.min(fixed.width, fixed.height) / (crop_pct ?? 1))
    return cropped(edge, fixed)
  }
  if (typeof size === 'number') return cropped(size, crop_size)
  if (fixed.width !== fixed.height) throw unsupported('a size that is no square before a crop')
  return cropped(fixed.width, crop_size, 'exact')

  function exact(target: { width: number; height: number }): Sizes {
    const edge = Math.max(target.width, target.height)
    return { ...target, resize: { rule: 'exact', size: edge, interpolation }, crop: 'none' }
  }

  function cropped(
    edge: number,
    area: number | { width: number; height: number },
    rule: ImagePreprocessing['resize']['rule'] = 'shortest-edge',
  ): Sizes {
    const target = typeof area === 'number' ? { width: area, height: area } : area
    if (Math.max(target.width, target.height) > edge) {
      throw unsupported(`a crop of ${target.width} x ${target.height} from ${edge} pixels`)
    }
    return { ...target, resize: { rule, size: edge, interpolation }, crop: 'center' }
  }
}

function unsupported(what: string): EspalierError {
  const message = `preprocessor_config.json has ${what}; say it in espalier.json instead`
  return new EspalierError('unsupported_model', message)
}
