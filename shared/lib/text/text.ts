/** Space, controls, and what shapes or joins other characters without showing: zero-width marks, fillers, U+2800. */
const VISIBLE = /[^\p{White_Space}\p{Z}\p{Cc}\p{Cf}\p{Default_Ignorable_Code_Point}\u2800]/u
const LONE_SURROGATE = /\p{Surrogate}/u

/** Part of every Node since 20; TypeScript lists it under ES2024. */
type CheckableString = string & { isWellFormed(): boolean }

/** True for a text without a single visible character: it is empty wherever texts are read. */
export function isBlank(text: string): boolean {
  return !VISIBLE.test(text)
}

/** Index of the first lone surrogate of a text in UTF-16 units, or -1: such a text has no UTF-8 form. */
export function findLoneSurrogate(text: string): number {
  return (text as CheckableString).isWellFormed() ? -1 : text.search(LONE_SURROGATE)
}

/** True where a text takes more than `limit` bytes in UTF-8; long texts are not measured needlessly. */
export function isLongerThanBytes(text: string, limit: number): boolean {
  if (text.length > limit) return true
  return text.length * 3 > limit && Buffer.byteLength(text) > limit
}

/** The caller's own words inside a message: quoted, control characters escaped, cut at `limit` characters. */
export function quote(text: string, limit = 80): string {
  const cut = text.length > limit ? `${text.slice(0, limit)}…` : text
  return JSON.stringify(cut)
}
