/** What stands where a number is undefined. */
export const UNKNOWN = '–'

type Shown = number | null | undefined

/** A share as a percentage: 0.9234 → `92.3 %`. */
export function formatPercent(share: Shown, digits = 1): string {
  return isKnown(share) ? `${(share * 100).toFixed(digits)} %` : UNKNOWN
}

/** A difference of shares in percentage points, with its sign: `+0.8`. */
export function formatPoints(difference: Shown): string {
  if (!isKnown(difference)) return UNKNOWN
  const text = (Math.abs(difference) * 100).toFixed(1)
  if (Number(text) === 0) return '0.0'
  return difference > 0 ? `+${text}` : `−${text}`
}

/** A plain number with a fixed count of decimals. */
export function formatNumber(value: Shown, digits = 3): string {
  return isKnown(value) ? value.toFixed(digits) : UNKNOWN
}

/** A value of a parameter: short, and exact where that is short. */
export function formatParameter(value: number | string | boolean | null): string {
  if (typeof value !== 'number') return value === null ? UNKNOWN : String(value)
  if (!isKnown(value)) return UNKNOWN
  return String(Number(value.toPrecision(4)))
}

/** A count with commas: `10,003`. */
export function formatCount(count: Shown): string {
  return isKnown(count) ? String(Math.round(count)).replace(/\B(?=(\d{3})+$)/g, ',') : UNKNOWN
}

/** A count with its noun: `1 row`, `2,000 rows`. */
export function formatCounted(count: number, one: string, many = `${one}s`): string {
  return `${formatCount(count)} ${count === 1 ? one : many}`
}

/** Bytes in decimal units: `1.2 MB`. */
export function formatBytes(bytes: Shown): string {
  if (!isKnown(bytes)) return UNKNOWN
  if (bytes < 1_000) return `${bytes} B`
  return bytes < 1_000_000 ? `${(bytes / 1e3).toFixed(1)} KB` : `${(bytes / 1e6).toFixed(1)} MB`
}

/** A time in the unit that reads best: `840 ms`, `12.4 s`, `3 min 5 s`. */
export function formatDuration(milliseconds: Shown): string {
  if (!isKnown(milliseconds)) return UNKNOWN
  if (milliseconds < 1_000) return `${Math.round(milliseconds)} ms`
  if (milliseconds < 99_950) return `${(milliseconds / 1_000).toFixed(1)} s`
  const seconds = Math.round(milliseconds / 1_000)
  return `${Math.floor(seconds / 60)} min ${seconds % 60} s`
}

/** An ISO 8601 time to the minute: `2026-03-01 12:00 UTC`; anything else as it is. */
export function formatDate(iso: string): string {
  const parts = /^(\d{4}-\d\d-\d\d)T(\d\d:\d\d)[\d:.]*Z$/.exec(iso)
  return parts === null ? iso : `${parts[1]} ${parts[2]} UTC`
}

/** Text of at most `limit` characters, whole code points, an ellipsis where something is missing. */
export function shorten(text: string, limit: number): string {
  if (text.length <= limit) return text
  const points = Array.from(text.slice(0, limit * 2 + 2))
  return points.length <= limit
    ? text
    : `${points
        .slice(0, limit - 1)
        .join('')
        .trimEnd()}…`
}

function isKnown(value: Shown): value is number {
  return value !== null && value !== undefined && Number.isFinite(value)
}
