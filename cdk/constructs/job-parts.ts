import { type Duration, RemovalPolicy } from 'aws-cdk-lib'
import { Role, ServicePrincipal } from 'aws-cdk-lib/aws-iam'
import { LogGroup, RetentionDays } from 'aws-cdk-lib/aws-logs'
import type { IBucket } from 'aws-cdk-lib/aws-s3'
import type { Construct } from 'constructs'
import { DataBucket } from './data-bucket.ts'

/** What jobs of every kind have of their own. */
export interface JobParts {
  readonly logGroup: LogGroup
  readonly data: DataBucket
  /** What the jobs themselves act as; it may do nothing yet. */
  readonly role: Role
}

/** Makes logs, data and role of jobs in `scope` itself, since ids that are deployed must stay. */
export function addJobParts(
  scope: Construct,
  props: {
    /** A bucket that is there already. */
    readonly data: IBucket | undefined
    readonly dataPrefix: string | undefined
    readonly dataFor: Duration | undefined
    readonly roleDescription: string
  },
): JobParts {
  const logGroup = new LogGroup(scope, 'Logs', {
    retention: RetentionDays.ONE_MONTH,
    removalPolicy: RemovalPolicy.DESTROY,
  })
  const data = new DataBucket(scope, 'Data', {
    bucket: props.data,
    prefix: props.dataPrefix,
    keepFor: props.dataFor,
  })
  const role = new Role(scope, 'Role', {
    assumedBy: new ServicePrincipal('ecs-tasks.amazonaws.com'),
    description: props.roleDescription,
  })
  return { logGroup, data, role }
}
