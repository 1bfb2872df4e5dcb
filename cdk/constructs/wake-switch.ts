import { Duration, Stack } from 'aws-cdk-lib'
import {
  Alarm,
  ComparisonOperator,
  MathExpression,
  TreatMissingData,
} from 'aws-cdk-lib/aws-cloudwatch'
import type { FargateService } from 'aws-cdk-lib/aws-ecs'
import type {
  ApplicationListenerRule,
  ApplicationTargetGroup,
} from 'aws-cdk-lib/aws-elasticloadbalancingv2'
import { type EventPattern, Rule, Schedule } from 'aws-cdk-lib/aws-events'
import { SfnStateMachine } from 'aws-cdk-lib/aws-events-targets'
import { PolicyStatement, Role, ServicePrincipal } from 'aws-cdk-lib/aws-iam'
import { DefinitionBody, StateMachine, StateMachineType } from 'aws-cdk-lib/aws-stepfunctions'
import { Construct } from 'constructs'
import { acknowledge } from './acknowledge.ts'
import { RULE_PRIORITY } from './asleep-rules.ts'

/** What is switched, and by what. */
export interface WakeSwitchProps {
  /** The rule of the tasks. */
  readonly rule: ApplicationListenerRule
  readonly groups: readonly ApplicationTargetGroup[]
  readonly service: FargateService
}

/**
 * Moves the rule of the tasks before the rules for the time without them, or behind: by reading how things are, however
 * often and for whatever reason it is started. The rule itself is not touched, whose weights ECS sets.
 */
export class WakeSwitch extends Construct {
  readonly alarm: Alarm
  readonly machine: StateMachine

  constructor(scope: Construct, id: string, props: WakeSwitchProps) {
    super(scope, id)
    const { rule, groups, service } = props
    this.alarm = this.#awake(groups)
    const role = new Role(this, 'Role', {
      assumedBy: new ServicePrincipal('states.amazonaws.com'),
      description: 'Espalier: moves one rule of the load balancer',
    })
    const allow = (action: string, resource: string) =>
      role.addToPolicy(new PolicyStatement({ actions: [action], resources: [resource] }))
    allow('cloudwatch:DescribeAlarms', this.alarm.alarmArn)
    allow('ecs:DescribeServices', service.serviceArn)
    allow('elasticloadbalancing:SetRulePriorities', rule.listenerRuleArn)
    this.machine = new StateMachine(this, 'Machine', {
      role,
      stateMachineType: StateMachineType.STANDARD,
      timeout: Duration.minutes(10),
      definitionBody: DefinitionBody.fromString(
        Stack.of(this).toJsonString(definition(this.alarm.alarmName, service, rule)),
      ),
    })
    acknowledge(
      this.machine,
      'Runs are kept with each step for 90 days, and have no data but a state and a number.',
      ['SF1', 'SF2'],
    )
    this.#startOn(service)
  }

  /** Goes off while a task can answer. */
  #awake([blue, green]: readonly ApplicationTargetGroup[]): Alarm {
    const healthy = (group: ApplicationTargetGroup | undefined) =>
      group!.metrics.healthyHostCount({ period: Duration.minutes(1), statistic: 'Maximum' })
    return new Alarm(this, 'Awake', {
      metric: new MathExpression({
        expression: 'FILL(blue, 0) + FILL(green, 0)',
        usingMetrics: { blue: healthy(blue), green: healthy(green) },
        period: Duration.minutes(1),
        label: 'tasks that can answer',
      }),
      threshold: 1,
      comparisonOperator: ComparisonOperator.GREATER_THAN_OR_EQUAL_TO_THRESHOLD,
      evaluationPeriods: 1,
      treatMissingData: TreatMissingData.NOT_BREACHING,
      alarmDescription: 'No fault: a task can answer, and gets the calls',
    })
  }

  #startOn(service: FargateService): void {
    const on = (id: string, eventPattern: EventPattern, schedule?: Schedule) =>
      new Rule(this, id, { eventPattern, schedule, targets: [new SfnStateMachine(this.machine)] })
    on('OnAlarm', {
      source: ['aws.cloudwatch'],
      detailType: ['CloudWatch Alarm State Change'],
      resources: [this.alarm.alarmArn],
    })
    on('OnStop', {
      source: ['aws.ecs'],
      detailType: ['ECS Task State Change'],
      detail: {
        clusterArn: [service.cluster.clusterArn],
        group: [`service:${service.serviceName}`],
        desiredStatus: ['STOPPED'],
        // As soon as it is told to stop; the alarm would be minutes late.
        lastStatus: ['RUNNING', 'DEACTIVATING'],
      },
    })
    on(
      'OnDeployment',
      {
        source: ['aws.cloudformation'],
        detailType: ['CloudFormation Stack Status Change'],
        detail: {
          'stack-id': [Stack.of(this).stackId],
          'status-details': {
            status: ['CREATE_COMPLETE', 'UPDATE_COMPLETE', 'UPDATE_ROLLBACK_COMPLETE'],
          },
        },
      },
      // For whatever event got lost.
      Schedule.rate(Duration.hours(1)),
    )
  }
}

/** No other rule has either priority: the one that is in its way is itself. */
const IN_USE = 'ElasticLoadBalancingV2.PriorityInUseException'

/** Two questions and one call, in the language of Step Functions. */
function definition(
  alarmName: string,
  service: FargateService,
  rule: ApplicationListenerRule,
): object {
  const retry = [
    { ErrorEquals: ['States.ALL'], IntervalSeconds: 2, BackoffRate: 2, MaxAttempts: 5 },
  ]
  const call = (name: string, parameters: object) => ({
    Type: 'Task',
    Resource: `arn:aws:states:::aws-sdk:${name}`,
    Parameters: parameters,
    Retry: retry,
  })
  const move = (priority: number) => ({
    ...call('elasticloadbalancingv2:setRulePriorities', {
      RulePriorities: [{ RuleArn: rule.listenerRuleArn, Priority: priority }],
    }),
    Retry: [{ ErrorEquals: [IN_USE], MaxAttempts: 0 }, ...retry],
    Catch: [{ ErrorEquals: [IN_USE], Next: 'WasThere' }],
    End: true,
  })
  return {
    StartAt: 'ReadAlarm',
    States: {
      ReadAlarm: {
        ...call('cloudwatch:describeAlarms', { AlarmNames: [alarmName] }),
        ResultSelector: { 'state.$': '$.MetricAlarms[0].StateValue' },
        ResultPath: '$.alarm',
        Next: 'ReadService',
      },
      ReadService: {
        ...call('ecs:describeServices', {
          Cluster: service.cluster.clusterArn,
          Services: [service.serviceArn],
        }),
        ResultSelector: { 'desired.$': '$.Services[0].DesiredCount' },
        ResultPath: '$.service',
        Next: 'IsAwake',
      },
      IsAwake: {
        Type: 'Choice',
        Choices: [
          {
            And: [
              { Variable: '$.alarm.state', StringEquals: 'ALARM' },
              { Variable: '$.service.desired', NumericGreaterThan: 0 },
            ],
            Next: 'Awake',
          },
        ],
        Default: 'Asleep',
      },
      Awake: move(RULE_PRIORITY.awake),
      Asleep: move(RULE_PRIORITY.asleep),
      WasThere: { Type: 'Succeed' },
    },
  }
}
