import { CfnOutput, Stack, type StackProps } from 'aws-cdk-lib'
import { Topic } from 'aws-cdk-lib/aws-sns'
import type { Construct } from 'constructs'
import { type BakeLimits, BakeTime } from '../constructs/bake-time.ts'
import { MonthlyBudget, type MonthlyBudgetProps } from '../constructs/monthly-budget.ts'
import { Operations, type OperationsProps } from '../constructs/operations.ts'
import { SettingError } from '../settings/setting-error.ts'

/** How the stack that watches is made. */
export interface OpsStackProps extends StackProps, Omit<OperationsProps, 'topic'> {
  /**
   * ARN of the topic that alarms go to.
   * @default one is made
   */
  readonly topicArn?: string
  /**
   * What a month may cost.
   * @default no budget
   */
  readonly budget?: MonthlyBudgetProps
  /**
   * When a new champion is rolled back; needs `modelEvents` and endpoints.
   * @default never
   */
  readonly bake?: BakeLimits
}

/** A dashboard and alarms over endpoints and jobs. */
export class OpsStack extends Stack {
  readonly operations: Operations

  constructor(scope: Construct, id: string, props: OpsStackProps) {
    super(scope, id, { description: 'Espalier: dashboard and alarms', ...props })
    const { topicArn, budget, bake, modelEvents: events, endpoints } = props
    if (budget) new MonthlyBudget(this, 'Budget', budget)
    const topic = topicArn ? Topic.fromTopicArn(this, 'ExistingTopic', topicArn) : undefined
    this.operations = new Operations(this, 'Operations', { ...props, topic })
    if (bake) {
      if (events === undefined) {
        throw new SettingError(
          'OpsStack: a bake time starts on events of models, and there are no modelEvents; give them',
        )
      }
      const { topic } = this.operations
      new BakeTime(this, 'Bake', { ...bake, events, endpoints, topic })
    }
    new CfnOutput(this, 'Topic', {
      value: this.operations.topic.topicArn,
      description: 'Where alarms go',
    })
    new CfnOutput(this, 'Dashboard', { value: this.operations.dashboard.dashboardName })
  }
}
