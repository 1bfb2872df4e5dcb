import { type Command, InvalidArgumentError } from 'commander'
import {
  findDeploymentFile,
  readDeployment,
} from '../../../../shared/deployment/deployment-file.ts'
import {
  type DeploymentValues,
  parseSetting,
} from '../../../../shared/deployment/new-deployment.ts'
import type { SettingValue } from '../../../../shared/deployment/setting-types.ts'
import type { SettingKey } from '../../../../shared/deployment/settings.ts'

/** Options of every command that takes settings of a deployment. */
export interface SettingOptions {
  /** `key=value` as it was written. */
  readonly set: readonly string[]
}

/** Adds the option of `SettingOptions`, which the deployment's own commands call so as well. */
export function addSettingOption(command: Command): Command {
  return command.option(
    '-c, --set <key=value>',
    'any setting of the deployment; repeat it for several',
    (pair: string, pairs: readonly string[]) => {
      if (!pair.includes('=')) throw new InvalidArgumentError('It must be key=value.')
      return [...pairs, pair]
    },
    [],
  )
}

/**
 * The settings that a command line gives: by `-c`, and by options that stand for one each and win.
 * @throws EspalierError `invalid_request` for a key that is no setting, and for a value that it cannot have
 */
export function readSettings(
  { set }: SettingOptions,
  named: Readonly<Partial<Record<SettingKey, string | undefined>>> = {},
): Map<SettingKey, SettingValue> {
  const pairs = Object.entries(named).flatMap(([key, value]) =>
    value === undefined ? [] : `${key}=${value}`,
  )
  return new Map([...set, ...pairs].map(parseSetting))
}

/**
 * The values of the deployment file, where there is one, with those of the command line over them.
 * @throws EspalierError `invalid_config` for a file that cannot be
 */
export function readDeploymentValues(
  given: DeploymentValues,
  options: { readonly file?: string | undefined; readonly environment?: string | undefined },
): DeploymentValues {
  const file = options.file ?? findDeploymentFile(['.'])
  const filed = file === null ? [] : readDeployment(file, options.environment).values
  return new Map([...filed, ...given])
}
