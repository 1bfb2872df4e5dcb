import type { Config } from '../../shared/lib/config/config.ts'

/** What a deployment may set: not what AWS Batch itself tells the children of an array job. */
type Setting = Exclude<keyof Config, 'arrayIndex' | 'arraySize'>

/** Settings of the container, by their names in the configuration of the service. */
export type ServiceSettings = Readonly<Partial<Record<Setting, string | number>>>

/** The two settings that go by the names that every platform knows. */
const PLATFORM_NAMES: Readonly<Partial<Record<Setting, string>>> = {
  port: 'PORT',
  host: 'HOST',
}

/** The environment variable of a setting: `logLevel` is `ESPALIER_LOG_LEVEL`. */
export function variableOf(setting: Setting): string {
  const words = setting.replace(/[A-Z]/g, (letter) => `_${letter}`).toUpperCase()
  return PLATFORM_NAMES[setting] ?? `ESPALIER_${words}`
}

/** The environment variables of the settings that have a value. */
export function toEnvironment(settings: ServiceSettings): Record<string, string> {
  const given = Object.entries(settings) as [Setting, string | number | undefined][]
  return Object.fromEntries(
    given.flatMap(([setting, value]) =>
      value === undefined ? [] : [[variableOf(setting), String(value)]],
    ),
  )
}
