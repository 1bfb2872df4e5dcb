import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { Duration, RemovalPolicy, Stack } from 'aws-cdk-lib'
import { type EventPattern, type IRuleTarget, Match, Rule } from 'aws-cdk-lib/aws-events'
import { LambdaFunction as LambdaTarget } from 'aws-cdk-lib/aws-events-targets'
import { Effect, PolicyStatement, Role, ServicePrincipal } from 'aws-cdk-lib/aws-iam'
import { Code, Function as LambdaFunction, Runtime } from 'aws-cdk-lib/aws-lambda'
import { LogGroup, RetentionDays } from 'aws-cdk-lib/aws-logs'
import { Construct } from 'constructs'
import { SettingError } from '../settings/setting-error.ts'
import type { EndpointAlarm } from './endpoint.ts'
import type { ModelStore } from './model-store.ts'

/** What a change of a model can be. */
export type ModelAction = 'promote' | 'rollback' | 'remove' | 'traffic' | 'shadow' | 'delete'

/** How events are made. */
export interface ModelEventsProps {
  readonly store: ModelStore
  /**
   * Folder with `handler.mjs`, the function's code.
   * @default dist/events of the clone, or of the package, that these constructs lie in
   */
  readonly folder?: string
}

/** Which promotions, and what they start. */
export interface PromotionRuleProps {
  readonly target: IRuleTarget
  /**
   * Names of models.
   * @default all
   */
  readonly models?: readonly string[]
}

/** Which changes, and what they start. */
export interface ChangeRuleProps extends PromotionRuleProps {
  /**
   * Kinds of changes.
   * @default all
   */
  readonly actions?: readonly ModelAction[]
  /**
   * Aliases that moved; changes of other kinds have none.
   * @default all changes, also those without an alias
   */
  readonly aliases?: readonly string[]
}

/** Which changes a pattern finds. */
export interface ChangePatternProps extends Omit<ChangeRuleProps, 'target'> {
  /**
   * Changes by these are passed over; those that nobody signed are not.
   * @default none
   */
  readonly notBy?: readonly string[]
}

/** As functions/events has them. */
const SOURCE = 'espalier.registry'
const DETAIL_TYPE = 'Espalier Model Changed'
/** Where the code of functions/events lies once it is built. */
export const EVENTS_FOLDER = fileURLToPath(new URL('../../dist/events', import.meta.url))
const FILE = 'handler.mjs'

/**
 * Puts an event on the default bus for every change of a model in a store: a promotion, a rollback, a traffic split, a
 * shadow, a deletion. S3 tells EventBridge of a new version of the model's state, and a function reads what changed.
 */
export class ModelEvents extends Construct {
  readonly function: LambdaFunction
  readonly logGroup: LogGroup
  readonly store: ModelStore

  /** @throws SettingError where the code of the function was not built */
  constructor(scope: Construct, id: string, { store, folder = EVENTS_FOLDER }: ModelEventsProps) {
    super(scope, id)
    if (!existsSync(join(folder, FILE))) {
      throw new SettingError(
        `there is no ${FILE} in ${folder}, which events need; build it with "npm run build:events" in the root of the clone`,
      )
    }
    this.store = store
    store.notifyEventBridge()
    this.logGroup = new LogGroup(this, 'Logs', {
      retention: RetentionDays.ONE_MONTH,
      removalPolicy: RemovalPolicy.DESTROY,
    })
    const role = new Role(this, 'Role', {
      assumedBy: new ServicePrincipal('lambda.amazonaws.com'),
      description: 'Espalier: reads states of models, tells of their changes, writes its log',
    })
    this.logGroup.grantWrite(role)
    store.grantStateVersions(role)
    this.#grantPut(role)
    this.function = new LambdaFunction(this, 'Function', {
      description: 'Espalier: tells of changes of models',
      runtime: Runtime.NODEJS_24_X,
      handler: 'handler.handler',
      code: Code.fromAsset(folder),
      memorySize: 256,
      timeout: Duration.seconds(30),
      // What fails three times is counted in its errors, and waits for nobody.
      retryAttempts: 2,
      maxEventAge: Duration.hours(6),
      role,
      logGroup: this.logGroup,
    })
    new Rule(this, 'Written', {
      description: 'Espalier: new versions of states of models',
      eventPattern: {
        source: ['aws.s3'],
        detailType: ['Object Created'],
        detail: {
          bucket: { name: [store.bucket.bucketName] },
          object: { key: Match.wildcard(`${store.prefix}/models/*/state.json`) },
        },
      },
      targets: [new LambdaTarget(this.function)],
    })
  }

  /** A rule on the default bus for changes of models of this store. Events come at least once: compare `detail.id`. */
  onChange(id: string, { target, ...props }: ChangeRuleProps): Rule {
    return new Rule(this, id, {
      description: 'Espalier: a model changed',
      eventPattern: this.patternOf(props),
      targets: [target],
    })
  }

  /** What a rule of yours in another stack finds changes of models of this store by. */
  patternOf({ models, actions, aliases, notBy }: ChangePatternProps = {}): EventPattern {
    return {
      source: [SOURCE],
      detailType: [DETAIL_TYPE],
      detail: {
        registry: [this.store.registryUrl],
        ...(models && { model: [...models] }),
        ...(actions && { action: [...actions] }),
        ...(aliases && { alias: [...aliases] }),
        ...(notBy && { by: [{ 'anything-but': [...notBy] }, { exists: false }] }),
      },
    }
  }

  /** A rule for what changes the version that a bare name means: promotions and rollbacks of the champion. */
  onPromotion(id: string, props: PromotionRuleProps): Rule {
    return this.onChange(id, {
      ...props,
      actions: ['promote', 'rollback'],
      aliases: ['champion'],
    })
  }

  /** What is worth an alarm: a change that nobody was told of. */
  alarms(): readonly EndpointAlarm[] {
    return [
      {
        id: 'Failed',
        metric: this.function.metricErrors({ period: Duration.minutes(5), statistic: 'Sum' }),
        threshold: 0,
        description: `a change of a model made no event: see the log group ${this.logGroup.logGroupName}`,
      },
    ]
  }

  #grantPut(role: Role): void {
    const bus = Stack.of(this).formatArn({
      service: 'events',
      resource: 'event-bus',
      resourceName: 'default',
    })
    role.addToPolicy(
      new PolicyStatement({
        effect: Effect.ALLOW,
        actions: ['events:PutEvents'],
        resources: [bus],
        conditions: {
          // The key has one value for each event of a request; without any, all of none would be equal.
          'ForAllValues:StringEquals': { 'events:source': SOURCE },
          Null: { 'events:source': 'false' },
        },
      }),
    )
  }
}
