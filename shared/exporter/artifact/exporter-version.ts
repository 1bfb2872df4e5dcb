/** Bumped when artifacts of an older export should be made again. */
export const EXPORTER_VERSION = 'espalier-export-1'
