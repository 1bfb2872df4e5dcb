/** Makes a small image of an image file: a data URI of WebP, 96 x 96 pixels, some 2 KB. */
export type Thumbnailer = (file: Uint8Array) => Promise<string>

const SIDE = 96
const QUALITY = 60

/**
 * Loads sharp with all its loaders but three shut.
 * @param maxPixels most pixels of an image
 */
export async function openThumbnailer(maxPixels: number): Promise<Thumbnailer> {
  const { default: sharp } = await import('sharp')
  sharp.block({ operation: ['VipsForeignLoad'] })
  sharp.unblock({ operation: ['Jpeg', 'Png', 'Webp'].map((name) => `VipsForeignLoad${name}`) })
  return async (file) => {
    const webp = await sharp(file, { failOn: 'error', limitInputPixels: maxPixels })
      .autoOrient()
      .resize(SIDE, SIDE, { fit: 'cover' })
      .webp({ quality: QUALITY })
      .toBuffer()
    return `data:image/webp;base64,${webp.toString('base64')}`
  }
}
