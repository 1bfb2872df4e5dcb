import type { DeploymentValues } from '../../../../../shared/deployment/new-deployment.ts'
import type { Boot } from '../../../../boot/types.ts'
import { type Check, type CheckResult, type Place, runCheck } from './check.ts'
import { concurrencyCheck, gpuQuotaCheck, memoryCheck } from './limit-checks.ts'
import { certificateCheck, domainCheck, keysCheck, vpcEndpointCheck } from './name-checks.ts'
import { type DeploymentNeeds, readNeeds, textOf } from './needs.ts'
import {
  bootstrapCheck,
  checkCredentials,
  dockerCheck,
  judgeRegionName,
  regionCheck,
} from './place-checks.ts'

/** What an examination found. */
export interface Report {
  /** False where something is missing that the deployment would fail for, or where AWS said nothing. */
  readonly ready: boolean
  readonly region: string | null
  /** Of the account; null where AWS does not know the caller. */
  readonly account: string | null
  readonly results: readonly CheckResult[]
}

/** Asks an account whether it has what a deployment with these values needs. Nothing is changed. */
export async function examine(
  values: DeploymentValues,
  openSecret: Boot['openSecret'],
): Promise<Report> {
  const needs = readNeeds(values)
  // The clients of AWS are loaded here, and nowhere before.
  const { findRegion, openAccount } = await import('../../../../../shared/aws/account.ts')
  const region = textOf(values, 'region') ?? (await findRegion())
  const docker =
    needs.builds.length > 0 ? [runCheck(dockerCheck(needs.builds))] : ([] as Promise<CheckResult>[])
  const report = async (account: string | undefined, results: readonly CheckResult[]) => {
    const all = [...results, ...(await Promise.all(docker))]
    const ready = account !== undefined && all.every(({ status }) => status !== 'missing')
    return { ready, region: region ?? null, account: account ?? null, results: all }
  }
  const refused = judgeRegionName(region)
  if (refused !== null || region === undefined) {
    return report(undefined, refused === null ? [] : [{ check: 'region', ...refused }])
  }
  const place = { account: openAccount(region), region }
  const { result, number } = await checkCredentials(place.account, textOf(values, 'account'))
  if (number === undefined) return report(undefined, [result])
  const checks = [
    regionCheck(place),
    bootstrapCheck(place, number),
    ...checksOf(place, needs, openSecret),
  ]
  return report(number, [result, ...(await Promise.all(checks.map((check) => runCheck(check))))])
}

function checksOf(place: Place, needs: DeploymentNeeds, openSecret: Boot['openSecret']): Check[] {
  const { lambda, gpus, names, zone, keys, vpcEndpoint } = needs
  return [
    ...(lambda ? [memoryCheck(place, lambda), concurrencyCheck(place, lambda)] : []),
    ...gpus.map((need) => gpuQuotaCheck(place, need)),
    ...names.flatMap((name) => [certificateCheck(place, name), domainCheck(place, name, zone)]),
    ...keys.map((secret) => keysCheck(place, secret, openSecret)),
    ...(vpcEndpoint ? [vpcEndpointCheck(place, vpcEndpoint)] : []),
  ]
}
