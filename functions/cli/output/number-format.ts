/** A share as a percentage with one decimal: `92.3 %`; a dash where it is unknown. */
export function formatShare(share: number | null | undefined): string {
  return share == null || !Number.isFinite(share) ? '–' : `${(share * 100).toFixed(1)} %`
}

/** A count with its noun: `1 row`, `2000 rows`. */
export function formatCount(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? '' : 's'}`
}

/** Bytes in decimal units: `1.2 MB`. */
export function formatBytes(bytes: number): string {
  if (bytes < 1_000) return `${bytes} B`
  if (bytes < 1_000_000) return `${(bytes / 1e3).toFixed(1)} KB`
  return bytes < 1e9 ? `${(bytes / 1e6).toFixed(1)} MB` : `${(bytes / 1e9).toFixed(1)} GB`
}
