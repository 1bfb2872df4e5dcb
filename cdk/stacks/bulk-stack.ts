import { CfnOutput, Stack, type StackProps } from 'aws-cdk-lib'
import type { Construct } from 'constructs'
import { BulkJobs, type BulkJobsProps } from '../constructs/bulk-jobs.ts'

/** How the stack of jobs over many shards is made. */
export interface BulkStackProps extends StackProps, BulkJobsProps {}

/** Array jobs over shards on S3. */
export class BulkStack extends Stack {
  readonly jobs: BulkJobs

  constructor(scope: Construct, id: string, props: BulkStackProps) {
    super(scope, id, { description: 'Espalier: array jobs over shards', ...props })
    this.jobs = new BulkJobs(this, 'Jobs', props)
    const { data, definitions, queue } = this.jobs
    new CfnOutput(this, 'Data', {
      value: data.bucket.bucketName,
      description: 'Bucket for shards and results',
    })
    for (const [name, { definition }] of Object.entries(definitions)) {
      new CfnOutput(this, `${name}Job`, { value: definition.jobDefinitionName })
    }
    new CfnOutput(this, 'Queue', { value: queue.queue.jobQueueName })
  }
}
