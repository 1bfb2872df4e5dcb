import type { ImagePreprocessing } from '../../lib/manifests/image-preprocessing.ts'

/** An image's or an area's size in pixels. */
export interface Size {
  readonly width: number
  readonly height: number
}

/** What is done to an image: brought to a size, then an area of it taken. */
export interface Geometry {
  readonly resized: Size
  readonly area: Size & { readonly left: number; readonly top: number }
}

/** Rounds as Hugging Face's image processors do: the longer side down, the crop towards the upper left. */
export function planGeometry({ width, height }: Size, spec: ImagePreprocessing): Geometry {
  const { rule, size } = spec.resize
  const target = { width: spec.width, height: spec.height }
  let resized: Size
  if (rule === 'exact') resized = spec.crop === 'none' ? target : { width: size, height: size }
  else if (width <= height) resized = { width: size, height: Math.floor((size * height) / width) }
  else resized = { width: Math.floor((size * width) / height), height: size }
  const left = Math.floor((resized.width - target.width) / 2)
  const top = Math.floor((resized.height - target.height) / 2)
  return { resized, area: { ...target, left, top } }
}
