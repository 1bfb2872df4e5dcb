/** Most pixels of a picture where nobody says otherwise; it is refused before it is decoded. */
export const MAX_IMAGE_PIXELS = 50_000_000
