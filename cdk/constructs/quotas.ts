import type { Duration } from 'aws-cdk-lib'
import { SettingError } from '../settings/setting-error.ts'

/** "Lambda quotas" of the developer guide; memory beyond is for functions on instances of one's own. */
export const LAMBDA_MEMORY_MIB = { min: 128, max: 10_240 } as const
/** One second less than an HTTP API waits ("Quotas for HTTP APIs"), so that the function is the one to answer. */
export const LAMBDA_TIMEOUT_S = { min: 3, max: 29 } as const
/** "1,769 MB is one vCPU": "Configure Lambda function memory". */
export const MIB_PER_VCPU = 1769
/** Requests and answers of Lambda, the event's JSON around them included. */
export const LAMBDA_PAYLOAD_BYTES = 6 * 1024 * 1024
/** Room in the event for headers (10 KB, twice in a REST API) and what the gateway says of the request. */
const EVENT_FIELDS_BYTES = 64 * 1024
/** Bytes that are no text cross the event in base64, four for every three: the most of them in one request. */
export const LAMBDA_BINARY_BODY_BYTES =
  Math.floor((LAMBDA_PAYLOAD_BYTES - EVENT_FIELDS_BYTES) / 4) * 3
/** What a number may be, in a service's words. */
export interface Quota {
  readonly min: number
  readonly max: number
}

/** @throws SettingError naming what was asked for, the unit and the bounds */
export function checkQuota(what: string, value: number, unit: string, { min, max }: Quota): void {
  if (Number.isInteger(value) && value >= min && value <= max) return
  throw new SettingError(
    `${what} is ${value}${unit && ` ${unit}`}; it must be a whole number from ${min} to ${max}`,
  )
}

/** As `checkQuota`, for whole seconds. */
export function checkSeconds(what: string, value: Duration, quota: Quota): void {
  checkQuota(what, value.toMilliseconds() / 1000, 'seconds', quota)
}

/** Memory and processors that Fargate offers together ("Fargate task definition parameters"), in MiB by vCPU. */
const FARGATE_MIB: Readonly<Record<number, readonly [min: number, max: number, step: number]>> = {
  1: [2048, 8192, 1024],
  2: [4096, 16_384, 1024],
  4: [8192, 30_720, 1024],
  8: [16_384, 61_440, 4096],
  16: [32_768, 122_880, 8192],
}

/** @throws SettingError naming the sizes that Fargate offers */
export function checkFargateSize(what: string, vcpus: number, memoryMib: number): void {
  const sizes = FARGATE_MIB[vcpus]
  if (sizes === undefined) {
    const offered = Object.keys(FARGATE_MIB).join(', ')
    throw new SettingError(`${what}: Fargate has ${offered} vCPUs, not ${vcpus}`)
  }
  const [min, max, step] = sizes
  if (memoryMib >= min && memoryMib <= max && memoryMib % step === 0) return
  throw new SettingError(
    `${what}: with ${vcpus} vCPUs Fargate has ${min} to ${max} MiB in steps of ${step}, not ${memoryMib}`,
  )
}
