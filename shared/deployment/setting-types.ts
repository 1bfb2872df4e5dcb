import { z } from 'zod'

/** What the value of a setting may be. */
export type SettingType =
  | { readonly kind: 'text' | 'arn' | 'flag' }
  | { readonly kind: 'whole' | 'number'; readonly min: number; readonly max: number }
  | { readonly kind: 'choice'; readonly of: readonly [string, ...string[]] }
  /** Texts; `of` says which, where not all are taken. A deployment file has them as an array. */
  | { readonly kind: 'list'; readonly of?: readonly [string, ...string[]] }

/** One setting of a deployment. */
export interface Setting {
  /** Name; dots say where it lies in a deployment file. */
  readonly key: string
  readonly type: SettingType
  /** Said where it is left out; empty for what is needed when its stack is asked for. */
  readonly default: string
  readonly doc: string
  /** True for what only a command says: it chooses what is read, and lies in no deployment file. */
  readonly ofCommand?: true
}

/** A value as a deployment file has it. */
export type SettingValue = string | number | boolean | readonly string[]

/** Any text but an empty one. */
export const TEXT = { kind: 'text' } as const satisfies SettingType
/** The name of a resource of AWS: `arn:aws:SERVICE:REGION:ACCOUNT:…`. */
export const ARN = { kind: 'arn' } as const satisfies SettingType
/** True or false. */
export const FLAG = { kind: 'flag' } as const satisfies SettingType
/** Several texts. */
export const LIST = { kind: 'list' } as const satisfies SettingType
/** A part of a whole, from 0 to 1. */
export const SHARE = { kind: 'number', min: 0, max: 1 } as const satisfies SettingType

/** A whole number, bounds included. */
export function whole(min: number, max: number) {
  return { kind: 'whole', min, max } as const satisfies SettingType
}

/** A number, bounds included. */
export function decimal(min: number, max: number) {
  return { kind: 'number', min, max } as const satisfies SettingType
}

/** One of several words. */
export function choice<const T extends readonly [string, ...string[]]>(...of: T) {
  return { kind: 'choice', of } as const satisfies SettingType
}

/** Several of several words. */
export function choices<const T extends readonly [string, ...string[]]>(...of: T) {
  return { kind: 'list', of } as const satisfies SettingType
}

/** What is allowed, as an error message says it after "it must be". */
export function describeType(type: SettingType): string {
  switch (type.kind) {
    case 'text':
      return 'a text'
    case 'arn':
      return 'an ARN: arn:aws:SERVICE:REGION:ACCOUNT:NAME'
    case 'flag':
      return 'true or false'
    case 'whole':
      return `a whole number from ${type.min} to ${type.max}`
    case 'number':
      return `a number from ${type.min} to ${type.max}`
    case 'choice':
      return `one of ${type.of.join(', ')}`
    case 'list':
      return type.of ? `a list of ${type.of.join(', ')}` : 'a list of texts'
  }
}

/** The schema of one value in a deployment file. */
export function schemaOfType(type: SettingType): z.ZodType<SettingValue> {
  switch (type.kind) {
    case 'text':
      return z.string().min(1).max(4096)
    case 'arn':
      return z.string().regex(/^arn:aws:[a-z0-9-]+:[a-z0-9-]*:[0-9]*:.+$/)
    case 'flag':
      return z.boolean()
    case 'whole':
      return z.int().min(type.min).max(type.max)
    case 'number':
      return z.number().min(type.min).max(type.max)
    case 'choice':
      return z.enum(type.of)
    case 'list':
      return z.array(type.of ? z.enum(type.of) : z.string().min(1).max(4096)).max(256)
  }
}

/** Groups of settings by the parts of their names: `cpu.memory` lies in `cpu`. */
interface Group {
  [name: string]: SettingType | Group
}

/**
 * The schema of a file that holds settings, each optional, nested by the dots of their names. With `canUnset` a value
 * may be null: it takes away what the file says for all.
 */
export function schemaOfSettings(settings: readonly Setting[], canUnset: boolean) {
  const root: Group = {}
  for (const { key, type, ofCommand } of settings) {
    if (ofCommand) continue
    const names = key.split('.')
    const last = names.pop() as string
    let group = root
    for (const name of names) {
      group[name] ??= {}
      group = group[name] as Group
    }
    group[last] = type
  }
  const schemaOf = (group: Group): z.ZodObject =>
    z.strictObject(
      Object.fromEntries(
        Object.entries(group).map(([name, inner]) => {
          if (!isType(inner)) return [name, schemaOf(inner).optional()]
          const value = schemaOfType(inner)
          return [name, (canUnset ? value.nullable() : value).optional()]
        }),
      ),
    )
  return schemaOf(root)
}

function isType(inner: SettingType | Group): inner is SettingType {
  return typeof inner.kind === 'string'
}
