/** The constructs and stacks of Espalier, for applications of your own. */
export type { AccessProps, JwtAccess } from './constructs/access.ts'
export { type BakeLimits, BakeTime, type BakeTimeProps } from './constructs/bake-time.ts'
export { BulkJobs, type BulkJobsProps } from './constructs/bulk-jobs.ts'
export { CpuApi, type CpuApiProps } from './constructs/cpu-api.ts'
export { DataBucket, type DataBucketProps } from './constructs/data-bucket.ts'
export type { DomainProps } from './constructs/domain.ts'
export type { EndpointAlarm, MonitoredEndpoint } from './constructs/endpoint.ts'
export type { ServiceSettings } from './constructs/environment.ts'
export { GpuApi, type GpuApiProps } from './constructs/gpu-api.ts'
export type { GpuName } from './constructs/gpu-capacity.ts'
export type { Throttle } from './constructs/http-front.ts'
export type { IdlePolicy } from './constructs/idle-policy.ts'
export type { MonitoredJobs } from './constructs/job-alerts.ts'
export { KeySource } from './constructs/key-source.ts'
export {
  type ChangePatternProps,
  type ChangeRuleProps,
  type ModelAction,
  ModelEvents,
  type ModelEventsProps,
  type PromotionRuleProps,
} from './constructs/model-events.ts'
export { ModelStore, type ModelStoreProps } from './constructs/model-store.ts'
export { MonthlyBudget, type MonthlyBudgetProps } from './constructs/monthly-budget.ts'
export { Network, type NetworkLayout, type NetworkProps } from './constructs/network.ts'
export { Operations, type OperationsProps } from './constructs/operations.ts'
export { PlacementCheck } from './constructs/placement-check.ts'
export {
  type Architecture,
  type ImageTarget,
  ServiceImage,
  type SourceImageProps,
} from './constructs/service-image.ts'
export { TrainJobs, type TrainJobsProps } from './constructs/train-jobs.ts'
export { SettingError } from './settings/setting-error.ts'
export { BulkStack, type BulkStackProps } from './stacks/bulk-stack.ts'
export { CpuApiStack, type CpuApiStackProps } from './stacks/cpu-api-stack.ts'
export { GpuApiStack, type GpuApiStackProps } from './stacks/gpu-api-stack.ts'
export { ModelStoreStack, type ModelStoreStackProps } from './stacks/model-store-stack.ts'
export { NetworkStack, type NetworkStackProps } from './stacks/network-stack.ts'
export { OpsStack, type OpsStackProps } from './stacks/ops-stack.ts'
export { TrainStack, type TrainStackProps } from './stacks/train-stack.ts'
