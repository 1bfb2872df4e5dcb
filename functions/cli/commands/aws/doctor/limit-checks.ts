import type { Check, Finding, Place } from './check.ts'
import type { DeploymentNeeds, GpuNeed } from './needs.ts'

type LambdaNeed = NonNullable<DeploymentNeeds['lambda']>

/** What AWS lets functions reserve must leave this many for all others. */
const LEAST_UNRESERVED = 100
/** The limit of most new accounts, which goes with a bound of the memory that no API tells. */
const NEW_ACCOUNT_CONCURRENCY = 10
const NEW_ACCOUNT_MEMORY_MIB = 3008
const USUAL_CONCURRENCY = 1000
const GPU_QUOTAS = {
  'on-demand': { code: 'L-DB2E81BA', name: 'Running On-Demand G and VT instances' },
  spot: { code: 'L-3819A6DF', name: 'All G and VT Spot Instance Requests' },
} as const

function raise({ region }: Place, service: string, code: string, value: number): string {
  return `aws service-quotas request-service-quota-increase --region ${region} --service-code ${service} --quota-code ${code} --desired-value ${value}`
}

/** Executions at once: enough for what the deployment reserves, and for more than a trial. */
export function concurrencyCheck(place: Place, { reserved, provisioned }: LambdaNeed): Check {
  return {
    check: 'concurrency',
    look: async () => {
      const { limit, unreserved } = await place.account.concurrency()
      // Copies that are kept warm count among the reserved ones.
      const kept = Math.max(reserved, provisioned)
      const fix = raise(place, 'lambda', 'L-B99A9384', Math.max(USUAL_CONCURRENCY, kept + limit))
      const state = `${limit} executions at once in the account, ${unreserved} of them unreserved`
      const rule = `AWS keeps at least ${LEAST_UNRESERVED} unreserved`
      if (kept > 0 && limit - LEAST_UNRESERVED < kept) {
        const found = `${state}; the deployment keeps ${kept} for itself, and ${rule}`
        return { status: 'missing', found, fix }
      }
      if (kept > 0 && unreserved - LEAST_UNRESERVED < kept) {
        const found = `${state}; ${kept} more cannot be kept, for ${rule}. Where an earlier deployment keeps them already, nothing is to do`
        return { status: 'warning', found, fix }
      }
      if (limit <= NEW_ACCOUNT_CONCURRENCY) {
        const found = `${state}; with more requests at once callers get 503 or 429`
        return { status: 'warning', found, fix }
      }
      return { status: 'ok', found: state }
    },
  }
}

/** The memory of the function, whose bound in new accounts can only be guessed. */
export function memoryCheck({ account }: Place, { memoryMib }: LambdaNeed): Check {
  return {
    check: 'memory',
    look: async (): Promise<Finding> => {
      if (memoryMib <= NEW_ACCOUNT_MEMORY_MIB) {
        return { status: 'ok', found: `${memoryMib} MiB, which every account has` }
      }
      const { limit } = await account.concurrency()
      if (limit > NEW_ACCOUNT_CONCURRENCY) {
        const found = `${memoryMib} MiB; no API tells the account's bound, and ${limit} executions at once are not the limit of a new account`
        return { status: 'ok', found }
      }
      return {
        status: 'warning',
        found: `${memoryMib} MiB; no API tells the account's bound, but accounts with ${limit} executions at once are mostly bound to ${NEW_ACCOUNT_MEMORY_MIB} MB, and the deployment then fails`,
        fix: `set cpu.memory to ${NEW_ACCOUNT_MEMORY_MIB} or less, or ask AWS Support to raise the memory of Lambda functions`,
      }
    },
  }
}

/** Processors of instances with GPUs, of which a new account has none. */
export function gpuQuotaCheck(place: Place, need: GpuNeed): Check {
  const { market, leastVcpus, mostVcpus } = need
  const { code, name } = GPU_QUOTAS[market]
  return {
    check: market === 'spot' ? 'gpu spot quota' : 'gpu quota',
    look: async () => {
      const quota = await place.account.quota('ec2', code)
      const fix = raise(place, 'ec2', code, mostVcpus)
      const found = `${quota} vCPUs of "${name}"`
      if (quota < leastVcpus) {
        return { status: 'missing', found: `${found}; ${leastVcpus} are needed at least`, fix }
      }
      if (quota < mostVcpus) {
        return { status: 'warning', found: `${found}; the deployment uses up to ${mostVcpus}`, fix }
      }
      return { status: 'ok', found }
    },
  }
}
