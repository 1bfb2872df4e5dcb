import { InvalidArgumentError } from 'commander'

/** A parser of whole numbers from `min` to `max`, for an option's argument. */
export function wholeNumber(min: number, max: number): (value: string) => number {
  return (value) => {
    const number = /^\d{1,15}$/.test(value) ? Number(value) : Number.NaN
    if (number >= min && number <= max) return number
    throw new InvalidArgumentError(`It must be a whole number from ${min} to ${max}.`)
  }
}

/** A parser of decimal numbers from `min` to `max`. */
export function numberBetween(min: number, max: number): (value: string) => number {
  return (value) => {
    const number =
      /^\d{0,9}(?:\.\d{1,9})?$/.test(value) && value !== '' ? Number(value) : Number.NaN
    if (number >= min && number <= max) return number
    throw new InvalidArgumentError(`It must be a number from ${min} to ${max}.`)
  }
}

/** A parser of decimal numbers from `min` to `max`, such as `0.0001` and `1e-4`. */
export function decimalBetween(min: number, max: number): (value: string) => number {
  return (value) => {
    const number = /^(?:\d{1,9}(?:\.\d{0,12})?|\.\d{1,12})(?:e-?\d{1,2})?$/i.test(value)
      ? Number(value)
      : Number.NaN
    if (number >= min && number <= max) return number
    throw new InvalidArgumentError(`It must be a number from ${min} to ${max}.`)
  }
}

/** A parser of how much rare labels are favoured: `none`, `full`, `auto` or a number from 0 to 1. */
export function balanceStrength(value: string): boolean | number | 'auto' {
  if (value === 'auto') return value
  if (value === 'none' || value === 'full') return value === 'full'
  try {
    return numberBetween(0, 1)(value)
  } catch {
    throw new InvalidArgumentError('It must be none, full, auto or a number from 0 to 1.')
  }
}

const UNITS_BYTES = { KB: 1e3, MB: 1e6, GB: 1e9 } as const

/** A parser of sizes such as `1500MB` and `2GB`; bytes. */
export function byteCount(value: string): number {
  const match = /^(\d{1,6}(?:\.\d{1,3})?)(KB|MB|GB)$/i.exec(value)
  if (match) {
    return Number(match[1]) * UNITS_BYTES[match[2]!.toUpperCase() as keyof typeof UNITS_BYTES]
  }
  throw new InvalidArgumentError('It must be a number with KB, MB or GB, such as 1500MB.')
}

/** A parser of one word out of several. */
export function oneOf<const T extends string>(words: readonly T[]): (value: string) => T {
  return (value) => {
    const word = words.find((candidate) => candidate === value)
    if (word !== undefined) return word
    throw new InvalidArgumentError(`It must be one of ${words.join(', ')}.`)
  }
}

/** A parser of a comma-separated list without repetition. */
export function listOf<const T extends string>(words: readonly T[]): (value: string) => T[] {
  const parse = oneOf(words)
  return (value) => [...new Set(value.split(',').map((word) => parse(word.trim())))]
}

/** A parser of comma-separated names. */
export function nameList(value: string): string[] {
  const names = value.split(',').map((name) => name.trim())
  if (names.every((name) => name !== '')) return [...new Set(names)]
  throw new InvalidArgumentError('It must be names separated by commas.')
}

/** A parser of `name=text` that may be given several times. */
export function namedTexts(
  value: string,
  before: Readonly<Record<string, string>> = {},
): Record<string, string> {
  const at = value.indexOf('=')
  const [name, text] = [value.slice(0, Math.max(at, 0)).trim(), value.slice(at + 1)]
  if (name === '' || name.length > 100 || text.length > 10_000) {
    throw new InvalidArgumentError('It must be a name and its text, such as "query=query: ".')
  }
  return { ...before, [name]: text }
}

const UNITS_MS = { s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const

/** A parser of durations such as `30d`, `12h`, `45m` and `0s`; milliseconds. */
export function duration(value: string): number {
  const match = /^(\d{1,6})([smhd])$/.exec(value)
  if (match) return Number(match[1]) * UNITS_MS[match[2] as keyof typeof UNITS_MS]
  throw new InvalidArgumentError('It must be a number with s, m, h or d, such as 30d.')
}

/** A parser of versions such as `v7`. */
export function versionNumber(value: string): number {
  const match = /^v?([1-9]\d{0,8})$/.exec(value)
  if (match) return Number(match[1])
  throw new InvalidArgumentError('It must be a version such as v7.')
}
