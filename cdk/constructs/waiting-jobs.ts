import { Duration } from 'aws-cdk-lib'
import { Rule } from 'aws-cdk-lib/aws-events'
import { SfnStateMachine } from 'aws-cdk-lib/aws-events-targets'
import type { ITopic } from 'aws-cdk-lib/aws-sns'
import {
  Choice,
  Condition,
  DefinitionBody,
  Pass,
  StateMachine,
  TaskInput,
  Wait,
  WaitTime,
} from 'aws-cdk-lib/aws-stepfunctions'
import { CallAwsService, SnsPublish } from 'aws-cdk-lib/aws-stepfunctions-tasks'
import { Construct } from 'constructs'
import { SettingError } from '../settings/setting-error.ts'
import { acknowledge } from './acknowledge.ts'
import type { MonitoredJobs } from './job-alerts.ts'

/** Which jobs wait too long, and who is told. */
export interface WaitingJobsProps {
  readonly jobs: readonly MonitoredJobs[]
  readonly topic: ITopic
  /** How long a job may be RUNNABLE, from 5 minutes to a day. */
  readonly after: Duration
}

/** A day: what a job costs here does not depend on it, but who is told later than that is told too late. */
const LONGEST_MINUTES = 24 * 60

/**
 * Tells of jobs that are RUNNABLE for too long, whatever the reason: AWS Batch itself reports some of them only. Each
 * job that becomes RUNNABLE starts a wait, then its state is read: nothing runs, and nothing is paid, without jobs.
 */
export class WaitingJobs extends Construct {
  /** @throws SettingError for a time that is too short or too long */
  constructor(scope: Construct, id: string, { jobs, topic, after }: WaitingJobsProps) {
    super(scope, id)
    const minutes = after.toMinutes({ integral: false })
    if (!(minutes >= 5 && minutes <= LONGEST_MINUTES)) {
      throw new SettingError(
        `jobs.stuck is ${minutes} minutes; it must be 5 to ${LONGEST_MINUTES}: a machine takes a few minutes to start`,
      )
    }
    const machine = new StateMachine(this, 'Wait', {
      comment: 'Espalier: tells of a job that waits too long',
      definitionBody: DefinitionBody.fromChainable(this.#define(topic, after)),
      timeout: after.plus(Duration.hours(1)),
    })
    acknowledge(machine, 'An execution keeps its own history for 90 days; it has no secrets.', [
      'SF1',
      'SF2',
    ])
    acknowledge(machine, 'DescribeJobs of AWS Batch knows no resources.', ['IAM5[Resource::*]'])
    new Rule(this, 'Runnable', {
      description: 'Espalier: jobs that wait for a machine',
      eventPattern: {
        source: ['aws.batch'],
        detailType: ['Batch Job State Change'],
        detail: {
          status: ['RUNNABLE'],
          jobQueue: jobs.flatMap(({ queueArns }) => [...queueArns]),
          // Of an array one child speaks for all.
          arrayProperties: { index: [{ exists: false }, 0] },
        },
      },
      targets: [new SfnStateMachine(machine)],
    })
  }

  #define(topic: ITopic, after: Duration) {
    const wait = Wait.jsonata(this, 'Give it time', {
      time: WaitTime.duration(after),
      assign: {
        id: '{% $states.input.detail.jobId %}',
        name: '{% $states.input.detail.jobName %}',
        queue: '{% $states.input.detail.jobQueue %}',
      },
    })
    const look = CallAwsService.jsonata(this, 'Look again', {
      service: 'batch',
      action: 'describeJobs',
      parameters: { Jobs: ['{% $id %}'] },
      iamResources: ['*'],
      outputs: {
        status: '{% $states.result.Jobs[0].Status %}',
        reason:
          "{% $exists($states.result.Jobs[0].StatusReason) ? $states.result.Jobs[0].StatusReason : 'AWS Batch gives no reason' %}",
      },
    })
    look.addRetry({ maxAttempts: 5, interval: Duration.seconds(30), backoffRate: 2 })
    const tell = SnsPublish.jsonata(this, 'Tell', {
      topic,
      message: TaskInput.fromText(
        `{% 'Espalier: the job ' & $name & ' (' & $id & ') has been RUNNABLE for ${after.toMinutes()} minutes: ' & $states.input.reason & '. See the quota of its machines (vCPUs on demand or Spot, Fargate), their capacity, and jobs that are before it. Queue ' & $queue & '.' %}`,
      ),
    })
    const stuck = Condition.jsonata("{% $states.input.status = 'RUNNABLE' %}")
    const runs = Pass.jsonata(this, 'It went on')
    return wait
      .next(look)
      .next(Choice.jsonata(this, 'Still there').when(stuck, tell).otherwise(runs))
  }
}
