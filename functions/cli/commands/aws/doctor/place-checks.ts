import { execFile } from 'node:child_process'
import type { Account } from '../../../../../shared/aws/account.ts'
import {
  describeOtherPartition,
  otherPartitionOf,
} from '../../../../../shared/deployment/partitions.ts'
import { EspalierError } from '../../../../../shared/lib/errors.ts'
import type { Check, CheckResult, Finding, Place } from './check.ts'
import { runCheck } from './check.ts'

const REGION = /^[a-z]{2,4}(?:-[a-z]+){1,2}-[0-9]{1,2}$/
/** The parameter that `cdk bootstrap` writes, and what the stacks ask of it. */
const BOOTSTRAP_PARAMETER = '/cdk-bootstrap/hnb659fds/version'
const BOOTSTRAP_VERSION = 6
const DOCKER_TIMEOUT_MS = 10_000

/** What can be said of a region by its name. Null where AWS has to be asked. */
export function judgeRegionName(region: string | undefined): Finding | null {
  if (region === undefined) {
    const fix = 'export AWS_REGION=eu-west-1   # or the region that you deploy to'
    return { status: 'missing', found: 'no region is set', fix }
  }
  const fix = 'choose a region of the partition aws, such as eu-west-1'
  const partition = otherPartitionOf(region)
  if (partition !== null) {
    return { status: 'missing', found: describeOtherPartition(region, partition), fix }
  }
  if (!REGION.test(region)) return { status: 'missing', found: `"${region}" is no region`, fix }
  return null
}

/** Who calls, and the number of the account where AWS knows the caller. */
export async function checkCredentials(
  account: Account,
  wanted: string | undefined,
): Promise<{ readonly result: CheckResult; readonly number: string | undefined }> {
  let number: string | undefined
  const look = async (): Promise<Finding> => {
    try {
      const caller = await account.caller()
      if (!caller.arn.startsWith('arn:aws:')) {
        const fix = 'use credentials of an account in the partition aws'
        return { status: 'missing', found: `${caller.arn} is in another partition`, fix }
      }
      if (wanted !== undefined && caller.account !== wanted) {
        const found = `${caller.arn} is not of the account ${wanted}, which the deployment belongs to`
        const fix = 'use credentials of that account, such as by AWS_PROFILE'
        return { status: 'missing', found, fix }
      }
      number = caller.account
      return { status: 'ok', found: caller.arn }
    } catch (error) {
      if (!(error instanceof EspalierError) || error.code !== 'invalid_config') throw error
      return { status: 'missing', found: error.message, fix: 'aws sso login   # or: aws configure' }
    }
  }
  const result = await runCheck({ check: 'credentials', look })
  return { result, number }
}

/** The region is one of AWS's, and the account may use it. */
export function regionCheck({ account, region }: Place): Check {
  return {
    check: 'region',
    look: async () => {
      const status = (await account.regions()).get(region)
      if (status === undefined) {
        const fix = 'choose a region that "aws ec2 describe-regions" lists'
        return { status: 'missing', found: `AWS has no region ${region}`, fix }
      }
      if (status === 'not-opted-in') {
        const fix = `aws account enable-region --region-name ${region}`
        return { status: 'missing', found: `${region} is not enabled for the account`, fix }
      }
      return { status: 'ok', found: region }
    },
  }
}

/** `cdk bootstrap` has run, in a version that the stacks accept. */
export function bootstrapCheck({ account, region }: Place, number: string): Check {
  return {
    check: 'bootstrap',
    look: async () => {
      const fix = `npx cdk bootstrap aws://${number}/${region}`
      const text = await account.parameter(BOOTSTRAP_PARAMETER)
      if (text === null)
        return { status: 'missing', found: `the CDK is not set up in ${region}`, fix }
      const version = Number(text)
      if (!(version >= BOOTSTRAP_VERSION)) {
        const found = `version ${text}; the stacks need ${BOOTSTRAP_VERSION}`
        return { status: 'missing', found, fix }
      }
      return { status: 'ok', found: `version ${version}` }
    },
  }
}

/** A daemon that builds the images. */
export function dockerCheck(targets: readonly string[]): Check {
  return {
    check: 'docker',
    look: () =>
      new Promise((resolve) => {
        const args = ['info', '--format', '{{.ServerVersion}}']
        const named = targets.map((target) => `image.${target}`).join(' and ')
        execFile('docker', args, { timeout: DOCKER_TIMEOUT_MS }, (error, stdout) => {
          const version = stdout.trim()
          if (error === null && version !== '') {
            return resolve({ status: 'ok', found: `docker ${version}` })
          }
          const absent = error !== null && 'code' in error && error.code === 'ENOENT'
          resolve({
            status: 'missing',
            found: absent ? 'docker is not installed' : 'no docker daemon answers',
            fix: `start docker, or name a built image by its digest in ${named}`,
          })
        })
      }),
  }
}
