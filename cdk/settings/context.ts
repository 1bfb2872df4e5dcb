import type { IConstruct } from 'constructs'
import type { Deployment } from '../../shared/deployment/deployment-file.ts'
import type { SettingValue } from '../../shared/deployment/setting-types.ts'
import { SETTINGS, type SettingKey } from '../../shared/deployment/settings.ts'
import { SettingError } from './setting-error.ts'

/** Reads the values of `-c key=value`, of `cdk.json` and then of the deployment file, and refuses what is not one. */
export class Context {
  readonly #scope: IConstruct
  readonly #values: ReadonlyMap<SettingKey, SettingValue>
  /** Whether there is a deployment file, so that what it leaves out is left out on purpose. */
  readonly hasFile: boolean

  /** @throws SettingError for a key that nobody reads: it would be a setting without effect */
  constructor(scope: IConstruct, deployment: Deployment | null = null) {
    this.#scope = scope
    this.#values = deployment?.values ?? new Map()
    this.hasFile = deployment !== null
    const given = Object.keys(scope.node.getAllContext({}) as Record<string, unknown>)
    const unknown = given.find((key) => !isKnown(key))
    if (unknown === undefined) return
    const [group] = unknown.split('.')
    const near = SETTINGS.map(({ key }) => key).filter((key) => key.split('.')[0] === group)
    const list = near.length > 0 ? near : SETTINGS.map(({ key }) => key)
    throw new SettingError(`-c ${unknown} is no setting; there are ${list.join(', ')}`)
  }

  text(key: SettingKey): string | undefined {
    const given: unknown = this.#scope.node.tryGetContext(key)
    const filed = this.#values.get(key)
    const value = given ?? (Array.isArray(filed) ? filed.join(',') : filed)
    if (value === undefined || value === '') return undefined
    if (typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean') {
      return String(value)
    }
    throw new SettingError(`${key} is ${JSON.stringify(value)}; it must be a text`)
  }

  /** @throws SettingError saying what is missing, and why it is needed */
  required(key: SettingKey, why: string): string {
    const value = this.text(key)
    if (value !== undefined) return value
    throw new SettingError(`${key} is missing: ${why}; give it with -c ${key}=…`)
  }

  list(key: SettingKey): string[] {
    const parts = this.text(key)?.split(',') ?? []
    return parts.map((part) => part.trim()).filter((part) => part !== '')
  }

  flag(key: SettingKey): boolean {
    return this.choice(key, ['true', 'false'] as const, 'false') === 'true'
  }

  whole(key: SettingKey): number | undefined {
    const value = this.text(key)
    if (value === undefined || /^[0-9]{1,9}$/.test(value)) {
      return value === undefined ? undefined : Number(value)
    }
    throw new SettingError(`${key} is "${value}"; it must be a whole number`)
  }

  /** @throws SettingError for what is no number within bounds */
  number(
    key: SettingKey,
    { min, max }: { readonly min: number; readonly max: number },
  ): number | undefined {
    const value = this.text(key)
    if (value === undefined) return undefined
    const number = /^[0-9]{1,9}(?:\.[0-9]{1,9})?$/.test(value) ? Number(value) : Number.NaN
    if (number >= min && number <= max) return number
    throw new SettingError(`${key} is "${value}"; it must be a number from ${min} to ${max}`)
  }

  choice<const T extends readonly string[]>(
    key: SettingKey,
    allowed: T,
    fallback: T[number],
  ): T[number] {
    const value = this.text(key) ?? fallback
    if (allowed.includes(value)) return value
    throw new SettingError(`${key} is "${value}"; it must be one of ${allowed.join(', ')}`)
  }

  choices<const T extends readonly string[]>(key: SettingKey, allowed: T): T[number][] {
    return this.list(key).map((value) => {
      if (allowed.includes(value)) return value
      throw new SettingError(`${key} has "${value}"; it takes ${allowed.join(', ')}`)
    })
  }
}

/** The CDK's own keys have a scope, a colon or a dash in them, and ours have not. */
function isKnown(key: string): boolean {
  return /[@:-]/.test(key) || SETTINGS.some((known) => known.key === key)
}
