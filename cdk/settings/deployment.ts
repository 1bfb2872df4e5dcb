import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import type { App } from 'aws-cdk-lib'
import {
  DEPLOYMENT_FILE,
  type Deployment,
  findDeploymentFile,
  printForContext,
  readDeployment,
} from '../../shared/deployment/deployment-file.ts'
import { SETTINGS } from '../../shared/deployment/settings.ts'
import { SettingError } from './setting-error.ts'

/** Where a deployment file may be, and what else says something of the deployment. */
export interface DeploymentPlaces {
  /** Folders in which a file is looked for, and from which `-c file=PATH` is meant; the first that has it. */
  readonly folders: readonly string[]
  /** The `cdk.json` of the application. */
  readonly cdkJson: string
  /**
   * The account of the credentials.
   * @default unknown, and not checked
   */
  readonly account?: string
}

/**
 * The deployment file that deploy, diff and destroy read alike; null where there is none.
 * @throws SettingError for a file that cannot be, or that something else contradicts
 */
export function openDeployment(app: App, places: DeploymentPlaces): Deployment | null {
  const path = locate(app, places.folders)
  const environment = readText(app, 'environment')
  if (path === null) {
    if (environment === undefined) return null
    throw new SettingError(
      `environment is "${environment}", and there is no ${DEPLOYMENT_FILE} that could have it; name one with -c file=…`,
    )
  }
  const deployment = read(path, environment)
  checkCdkJson(places.cdkJson, path)
  checkAccount(deployment, readText(app, 'account'), places.account)
  return deployment
}

/** What is said where there is no file: what a command does not repeat would be taken back. */
export const NO_DEPLOYMENT_FILE =
  `there is no ${DEPLOYMENT_FILE}: the deployment is what -c says, and each later deploy, diff and destroy must say ` +
  'the same again, or stacks and access change back. "espalier aws init --adopt -c …" writes what you give it into a file'

function locate(app: App, folders: readonly string[]): string | null {
  const given = readText(app, 'file')
  if (given === undefined) return findDeploymentFile(folders)
  const paths = folders.map((folder) => resolve(folder, given))
  return paths.find(exists) ?? paths[0] ?? given
}

function exists(path: string): boolean {
  try {
    readFileSync(path)
    return true
  } catch {
    return false
  }
}

function read(path: string, environment: string | undefined): Deployment {
  try {
    return readDeployment(path, environment)
  } catch (error) {
    const message = printForContext(error)
    if (message === null) throw error
    throw new SettingError(message)
  }
}

/** A setting in both would win from where nobody looks: `cpu.iam` would bring IAM back, for one. */
function checkCdkJson(cdkJson: string, path: string): void {
  const { context = {} } = JSON.parse(readFileSync(cdkJson, 'utf8')) as { context?: object }
  const twice = SETTINGS.find(({ key }) => Object.hasOwn(context, key))
  if (twice === undefined) return
  throw new SettingError(
    `cdk.json sets ${twice.key}, and there is a deployment file; write it into ${path}, and take it out of cdk.json`,
  )
}

function checkAccount(
  { path, environment, values }: Deployment,
  given: string | undefined,
  account: string | undefined,
): void {
  const wanted = given ?? values.get('account')
  if (wanted === undefined || account === undefined || account === wanted) return
  const what = environment === null ? 'the deployment' : environment
  throw new SettingError(
    `${path}: ${what} belongs to the account ${wanted}, and the credentials are of ${account}`,
  )
}

function readText(app: App, key: 'file' | 'environment' | 'account'): string | undefined {
  const value: unknown = app.node.tryGetContext(key)
  return value === undefined || value === '' ? undefined : String(value)
}
