import { CONFIG_VARIABLES, type Config } from '../../shared/lib/config/config.ts'
import { EspalierError, isEspalierError } from '../../shared/lib/errors.ts'
import { nearestName } from '../../shared/lib/text/nearest.ts'
import { quote } from '../../shared/lib/text/text.ts'
import type { EspalierOptions } from './types.ts'

/** Options that are settings of the configuration; the others are of the call itself. */
const SETTINGS = [
  'registry',
  'encoder',
  'encoderPooling',
  'encoderMaxTokens',
  'encoderPrompts',
  'encoderHeadless',
  'encoderOnnx',
  'precision',
  'device',
  'workers',
  'cache',
  'pollSeconds',
  'offlineOk',
  'logLevel',
] as const satisfies readonly (keyof EspalierOptions & keyof Config)[]

/** Where no server has to be protected from its callers, calls may be large and wait for long. */
const OWN_PROCESS: Partial<Record<keyof Config, string>> = {
  logLevel: 'silent',
  maxInputs: '65536',
  maxImages: '65536',
  maxRequestPixels: '1000000000000',
  maxQueueTokens: '1000000000',
  queueTimeoutMs: '3600000',
}

/**
 * The options as the configuration reads them: variables with their values as text.
 * @throws EspalierError `invalid_config` for an option that there is not
 */
export function readOptions(options: EspalierOptions): Record<string, string> {
  const known: readonly string[] = [...SETTINGS, 'signal']
  for (const name of Object.keys(options)) {
    if (known.includes(name)) continue
    const nearest = nearestName(name, known)
    const hint = nearest ? `; did you mean ${nearest}?` : ''
    const message = `createEspalier has no option ${quote(name)}${hint}`
    throw new EspalierError('invalid_config', message, { param: name })
  }
  const given: Partial<Record<keyof Config, string>> = { ...OWN_PROCESS }
  for (const name of SETTINGS) {
    const value = options[name]
    if (value !== undefined) given[name] = toText(value)
  }
  return Object.fromEntries(
    CONFIG_VARIABLES.flatMap(({ key, name }) => {
      const value = given[key]
      return value === undefined ? [] : [[name, value]]
    }),
  )
}

function toText(
  value: NonNullable<EspalierOptions[(typeof SETTINGS)[number]]>,
  ofFlag: (flag: boolean) => string = (flag) => `${+flag}`,
): string {
  if (typeof value === 'boolean') return ofFlag(value)
  return typeof value === 'object' ? JSON.stringify(value) : String(value)
}

/** An error about a variable, said of the option that it came from; others stay as they are. */
export function nameOption(error: unknown, options: EspalierOptions): unknown {
  if (!isEspalierError(error, 'invalid_config')) return error
  const variable = CONFIG_VARIABLES.find(({ name }) => name === error.param)
  const option = SETTINGS.find((name) => name === variable?.key)
  if (!variable || !option) return error
  const value = quote(toText(options[option] ?? '', String))
  const isFlag = option === 'offlineOk' || option === 'encoderHeadless'
  const allowed = isFlag ? 'true or false' : variable.allowed
  return new EspalierError('invalid_config', `${option} is ${value}; it must be ${allowed}`, {
    param: option,
    cause: error,
  })
}
