import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { ArnFormat, Duration, RemovalPolicy, Stack } from 'aws-cdk-lib'
import { Rule, RuleTargetInput } from 'aws-cdk-lib/aws-events'
import { SfnStateMachine } from 'aws-cdk-lib/aws-events-targets'
import { PolicyStatement, Role, ServicePrincipal } from 'aws-cdk-lib/aws-iam'
import { Code, Function as LambdaFunction, Runtime } from 'aws-cdk-lib/aws-lambda'
import { LogGroup, RetentionDays } from 'aws-cdk-lib/aws-logs'
import type { ITopic } from 'aws-cdk-lib/aws-sns'
import { DefinitionBody, StateMachine, StateMachineType } from 'aws-cdk-lib/aws-stepfunctions'
import { Construct } from 'constructs'
import { SettingError } from '../settings/setting-error.ts'
import { acknowledge } from './acknowledge.ts'
import { bakeMachine } from './bake-machine.ts'
import type { MonitoredEndpoint } from './endpoint.ts'
import { EVENTS_FOLDER, type ModelEvents } from './model-events.ts'
import { checkQuota } from './quotas.ts'

/** When a champion is rolled back. */
export interface BakeLimits {
  /** Whole minutes after its promotion in which it is looked at, 1 to 240. */
  readonly minutes: number
  /**
   * Share of its answers that are faults of the server, 0 to 1, above which it is rolled back.
   * @default 0.05
   */
  readonly errors?: number
  /**
   * The 95th percentile of its time to answer above which it is rolled back, in milliseconds.
   * @default any
   */
  readonly latencyMs?: number
  /**
   * Names of metric alarms of CloudWatch in the same account and region that roll it back when they go off, 10 at most.
   * @default none
   */
  readonly alarms?: readonly string[]
}

/** What is looked at, and who is told. */
export interface BakeTimeProps extends BakeLimits {
  readonly events: ModelEvents
  /** Whose logs have the answers; one at least. */
  readonly endpoints: readonly MonitoredEndpoint[]
  /** Who is told of a roll-back, and of a bake that came to no decision. */
  readonly topic: ITopic
  /**
   * Folder with `bake.mjs`, the function's code.
   * @default that of `ModelEvents`
   */
  readonly folder?: string
}

const FILE = 'bake.mjs'
const DEFAULT_ERRORS = 0.05
const MINUTES = { min: 1, max: 240 } as const
const LATENCY_MS = { min: 1, max: 600_000 } as const
/** Their descriptions are part of the state of an execution, which has 256 KB. */
const MAX_ALARMS = 10
/** As functions/events has it. */
const BAKE = 'bake'

/**
 * Rolls the champion of a classifier back to the version before if it fails in the minutes after its promotion, by the
 * log of the endpoints. Nothing runs, and nothing is paid, without promotions. Changes that are `by` bake start none.
 */
export class BakeTime extends Construct {
  readonly function: LambdaFunction
  readonly machine: StateMachine

  /** @throws SettingError where the code was not built, and for limits that cannot be */
  constructor(scope: Construct, id: string, props: BakeTimeProps) {
    super(scope, id)
    const { events, endpoints, topic, folder = EVENTS_FOLDER, alarms = [] } = props
    const { errors = DEFAULT_ERRORS, latencyMs = null } = props
    checkQuota('BakeTime: the bake time', props.minutes, 'minutes', MINUTES)
    if (latencyMs !== null) checkQuota('BakeTime: the time to answer', latencyMs, 'ms', LATENCY_MS)
    if (endpoints.length === 0) {
      throw new SettingError('BakeTime: there is no endpoint whose log it could search; give one')
    }
    if (!(errors >= 0 && errors <= 1)) {
      throw new SettingError(
        `BakeTime: the share of failed answers is ${errors}; it must be a number from 0 to 1`,
      )
    }
    checkQuota('BakeTime: the number of alarms', alarms.length, '', { min: 0, max: MAX_ALARMS })
    if (!existsSync(join(folder, FILE))) {
      throw new SettingError(
        `there is no ${FILE} in ${folder}, which a bake time needs; build it with "npm run build:events" in the root of the clone`,
      )
    }
    this.function = this.#makeFunction(props, folder)
    const logGroups = endpoints.map(({ logGroup }) => logGroup.logGroupName)
    const role = new Role(this, 'MachineRole', {
      assumedBy: new ServicePrincipal('states.amazonaws.com'),
      description: 'Espalier: calls the function of a bake, tells of its end',
    })
    allow(role, 'lambda:InvokeFunction', [this.function.functionArn])
    allow(role, 'sns:Publish', [topic.topicArn])
    if (alarms.length > 0) {
      const format = (name: string) =>
        Stack.of(this).formatArn({
          service: 'cloudwatch',
          resource: 'alarm',
          resourceName: name,
          arnFormat: ArnFormat.COLON_RESOURCE_NAME,
        })
      allow(role, 'cloudwatch:DescribeAlarms', alarms.map(format))
    }
    this.machine = new StateMachine(this, 'Machine', {
      role,
      stateMachineType: StateMachineType.STANDARD,
      comment: 'Espalier: rolls a champion back that fails after its promotion',
      definitionBody: DefinitionBody.fromString(
        JSON.stringify(
          bakeMachine({
            minutes: props.minutes,
            errors,
            latencyMs,
            logGroups: logGroups.length,
            alarms,
          }),
        ),
      ),
      definitionSubstitutions: {
        Function: this.function.functionArn,
        Topic: topic.topicArn,
        Registry: events.store.registryUrl,
        ...Object.fromEntries(logGroups.map((name, i) => [`LogGroup${i}`, name])),
      },
    })
    acknowledge(
      this.machine,
      'An execution keeps each step for 90 days; it has names of models and figures.',
      ['SF1', 'SF2'],
    )
    new Rule(this, 'Promoted', {
      description: 'Espalier: new champions, which are looked at for a while',
      eventPattern: events.patternOf({
        actions: ['promote'],
        aliases: ['champion'],
        notBy: [BAKE],
      }),
      targets: [
        new SfnStateMachine(this.machine, { input: RuleTargetInput.fromEventPath('$.detail') }),
      ],
    })
  }

  #makeFunction({ events, endpoints }: BakeTimeProps, folder: string): LambdaFunction {
    const logGroup = new LogGroup(this, 'Logs', {
      retention: RetentionDays.ONE_MONTH,
      removalPolicy: RemovalPolicy.DESTROY,
    })
    const role = new Role(this, 'Role', {
      assumedBy: new ServicePrincipal('lambda.amazonaws.com'),
      description: 'Espalier: searches logs of endpoints, moves names of models back',
    })
    logGroup.grantWrite(role)
    events.store.grantRollBack(role)
    allow(
      role,
      'logs:StartQuery',
      endpoints.map((endpoint) => endpoint.logGroup.logGroupArn),
    )
    allow(role, 'logs:GetQueryResults', ['*'])
    acknowledge(
      role,
      'Queries have no ARN; they have random ids, and the log groups of a query are bound.',
      ['IAM5[Resource::*]'],
    )
    return new LambdaFunction(this, 'Function', {
      description: 'Espalier: looks after new champions',
      runtime: Runtime.NODEJS_24_X,
      handler: 'bake.handler',
      code: Code.fromAsset(folder),
      memorySize: 256,
      timeout: Duration.seconds(30),
      role,
      logGroup,
    })
  }
}

function allow(role: Role, action: string, resources: string[]): void {
  role.addToPolicy(new PolicyStatement({ actions: [action], resources }))
}
