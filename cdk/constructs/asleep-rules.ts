import type { Metric, MetricOptions } from 'aws-cdk-lib/aws-cloudwatch'
import {
  ApplicationListenerRule,
  type ApplicationLoadBalancer,
  type ApplicationTargetGroup,
  HttpCodeTarget,
  type IApplicationListener,
  ListenerAction,
  ListenerCondition,
} from 'aws-cdk-lib/aws-elasticloadbalancingv2'
import type { IFunction } from 'aws-cdk-lib/aws-lambda'
import { Construct } from 'constructs'
import type { JwtAccess } from './access.ts'
import { functionTargets } from './gpu-fallback.ts'
import {
  API_PATHS,
  FINGERPRINT,
  header,
  KEY_HEADERS,
  PathRegex,
  PROBE_PATHS,
} from './listener-conditions.ts'
import { targetSum } from './target-metrics.ts'
import { checkClaims, checkedAction } from './token-check.ts'
import { WakingFunction } from './waking-function.ts'

/** Where the rule of the tasks stands: before the rules for the time without a task, or behind them. */
export const RULE_PRIORITY = { awake: 1, asleep: 100 } as const

/** Who answers while there is no task. */
export interface AsleepRulesProps {
  readonly loadBalancer: ApplicationLoadBalancer
  readonly listener: IApplicationListener
  /** The name of the API. */
  readonly host: string
  readonly jwt: JwtAccess | undefined
  /** Whether callers have keys, which the service checks: without one they reach nothing here. */
  readonly hasKeys: boolean
  /** The endpoint on Lambda that answers meanwhile. */
  readonly fallback: IFunction | undefined
  /** Whether calls start a task: without a fallback they get 503 and the time to wait. */
  readonly wakes: boolean
}

/**
 * Rules behind that of the tasks, which hold while that one is moved behind them. Only a call with a path of the API and
 * something like a key reaches a function, and so can start a task; everybody else is answered by the load balancer.
 */
export class AsleepRules extends Construct {
  /** Calls that the endpoint on Lambda answers. */
  readonly fallback: ApplicationTargetGroup | undefined
  /** Calls that are told to wait. */
  readonly waking: ApplicationTargetGroup | undefined
  readonly #props: AsleepRulesProps

  constructor(scope: Construct, id: string, props: AsleepRulesProps) {
    super(scope, id)
    this.#props = props
    const { hasKeys, host, fallback, wakes } = props
    this.fallback = fallback && functionTargets(this, 'Fallback', fallback)
    this.waking = wakes
      ? functionTargets(this, 'Waking', new WakingFunction(this, 'WakingFunction').function)
      : undefined
    const known = [ListenerCondition.hostHeaders([host]), new PathRegex([API_PATHS])]
    const callers = hasKeys ? KEY_HEADERS.map((key) => [...known, header(key)]) : [known]
    const answering = this.fallback ?? this.waking
    for (const [index, conditions] of callers.entries()) {
      if (this.fallback && this.waking) {
        // Vectors of a CPU are others, and this caller said that it takes none but its own.
        this.#forward(
          `Exact${index}`,
          20 + index,
          [...conditions, header(FINGERPRINT)],
          this.waking,
        )
      }
      if (answering) this.#forward(`Call${index}`, 30 + index, conditions, answering)
    }
    if (hasKeys) this.#answer('NoKey', 40, known, 401, NO_KEY)
    if (wakes) {
      // A probe is no call: it must neither start a task nor keep one.
      const probes = [ListenerCondition.hostHeaders([host]), new PathRegex([PROBE_PATHS])]
      this.#answer('Probe', 10, probes, 200, { status: 'ok' })
    }
  }

  /** Calls of known callers that found no task, by who took them: a wrong key is no call. */
  metricCalls(options?: MetricOptions): Readonly<Record<string, Metric>> {
    const { loadBalancer } = this.#props
    const sum = (group: ApplicationTargetGroup, name: string) =>
      targetSum(loadBalancer, group, name, options)
    return {
      ...(this.fallback && { served: sum(this.fallback, HttpCodeTarget.TARGET_2XX_COUNT) }),
      ...(this.waking && { waiting: sum(this.waking, 'RequestCount') }),
    }
  }

  #forward(
    id: string,
    priority: number,
    conditions: ListenerCondition[],
    group: ApplicationTargetGroup,
  ): void {
    const { listener, jwt } = this.#props
    const forward = ListenerAction.forward([group])
    const rule = new ApplicationListenerRule(this, id, {
      listener,
      priority,
      conditions,
      action: jwt ? checkedAction(jwt, forward) : forward,
    })
    if (jwt) checkClaims(rule, jwt)
  }

  #answer(
    id: string,
    priority: number,
    conditions: ListenerCondition[],
    status: number,
    body: object,
  ): void {
    new ApplicationListenerRule(this, id, {
      listener: this.#props.listener,
      priority,
      conditions,
      action: ListenerAction.fixedResponse(status, {
        contentType: 'application/json',
        messageBody: JSON.stringify(body),
      }),
    })
  }
}

const MESSAGE =
  'there is no API key: send "Authorization: Bearer" or "x-api-key" with a key of this server'
/** The service's own words, without what is known of a request only. */
const NO_KEY = {
  type: 'urn:espalier:problem:unauthorized',
  title: 'Unauthorized',
  status: 401,
  detail: MESSAGE,
  message: MESSAGE,
  error: { message: MESSAGE, type: 'invalid_request_error', param: null, code: 'unauthorized' },
}
