import { z } from 'zod'

/** What documentation says about one environment variable. */
export interface VariableMeta {
  readonly variable: string
  readonly doc: string
  /** Unit of the value; empty where it has none. */
  readonly unit: string
  /** What is allowed, as an error message says it. */
  readonly allowed: string
  /** Said instead of a default that the process works out at start. */
  readonly defaultText?: string
  /** A value that no message repeats. */
  readonly secret?: boolean
}

/** What is said of each field of the settings. */
export const variables = z.registry<VariableMeta>()

/** One of several words. */
export function choice<const T extends readonly [string, ...string[]]>(
  values: T,
  fallback: NoInfer<T[number]>,
  meta: Omit<VariableMeta, 'allowed' | 'unit'>,
) {
  return z
    .enum(values)
    .default(fallback as T[number])
    .register(variables, { ...meta, unit: '', allowed: `one of ${values.join(', ')}` })
}

/** A whole number, digits only. */
export function whole(min: number, max: number) {
  return z
    .string()
    .regex(/^[0-9]{1,15}$/)
    .transform(Number)
    .pipe(z.int().min(min).max(max))
}

/** A whole number with a default. */
export function integer(
  min: number,
  max: number,
  fallback: number,
  meta: Omit<VariableMeta, 'allowed'>,
) {
  return whole(min, max)
    .default(fallback)
    .register(variables, { ...meta, allowed: `a whole number from ${min} to ${max}` })
}

/** A number with a default; six digits after the point at most. */
export function decimal(
  min: number,
  max: number,
  fallback: number,
  meta: Omit<VariableMeta, 'allowed'>,
) {
  return z
    .string()
    .regex(/^[0-9]{1,9}(?:\.[0-9]{1,6})?$/)
    .transform(Number)
    .pipe(z.number().min(min).max(max))
    .default(fallback)
    .register(variables, { ...meta, allowed: `a number from ${min} to ${max}` })
}
