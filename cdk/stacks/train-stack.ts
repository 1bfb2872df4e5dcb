import { CfnOutput, Stack, type StackProps } from 'aws-cdk-lib'
import type { Construct } from 'constructs'
import { TrainJobs, type TrainJobsProps } from '../constructs/train-jobs.ts'

/** How the stack of jobs that train is made. */
export interface TrainStackProps extends StackProps, TrainJobsProps {}

/** Jobs that train classifiers and encoders from rows on S3. */
export class TrainStack extends Stack {
  readonly jobs: TrainJobs

  constructor(scope: Construct, id: string, props: TrainStackProps) {
    super(scope, id, { description: 'Espalier: jobs that train', ...props })
    this.jobs = new TrainJobs(this, 'Jobs', props)
    new CfnOutput(this, 'Data', {
      value: this.jobs.data.bucket.bucketName,
      description: 'Bucket for rows',
    })
    for (const [name, { definition }] of Object.entries(this.jobs.definitions)) {
      new CfnOutput(this, `${name}Job`, { value: definition.jobDefinitionName })
    }
    for (const { node, queue } of this.jobs.queues) {
      new CfnOutput(this, `${node.id}Queue`, { value: queue.jobQueueName })
    }
  }
}
