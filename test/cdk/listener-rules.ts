import { RULE_PRIORITY } from '../../cdk/constructs/asleep-rules.ts'
import type { Synthesis } from './synthesize.ts'

/** A request, as far as rules of a listener look at it. */
export interface Call {
  readonly host?: string
  readonly path: string
  readonly headers?: Readonly<Record<string, string>>
}

interface Condition {
  readonly Field: string
  readonly HostHeaderConfig?: { readonly Values: string[] }
  readonly PathPatternConfig?: { readonly Values?: string[]; readonly RegexValues?: string[] }
  readonly HttpHeaderConfig?: { readonly HttpHeaderName: string; readonly Values: string[] }
}

interface Action {
  readonly Type: string
  readonly TargetGroupArn?: { readonly Ref: string }
  readonly ForwardConfig?: { readonly TargetGroups: { TargetGroupArn: { Ref: string } }[] }
  readonly FixedResponseConfig?: { readonly StatusCode: string }
}

interface ListenerRule {
  readonly Priority: number
  readonly Conditions: Condition[]
  readonly Actions: Action[]
}

/** Who answers: a group of targets by the end of its name, or a status of the load balancer itself. */
export type Answer = 'gpu' | 'fallback' | 'waking' | number

/** The rules of a template, as the load balancer goes through them in a state of the endpoint. */
export function readRules(
  synthesis: Synthesis,
  stack: string,
): (call: Call, state: keyof typeof RULE_PRIORITY, hasToken?: boolean) => Answer {
  const rules = Object.entries(synthesis.resources(stack))
    .filter(([, { Type }]) => Type === 'AWS::ElasticLoadBalancingV2::ListenerRule')
    .map(([id, { Properties }]) => ({ id, ...(Properties as unknown as ListenerRule) }))
  for (const { Conditions } of rules) checkLimits(Conditions)
  return (call, state, hasToken = false) => {
    const found = rules
      .map((rule) => (isTasks(rule) ? { ...rule, Priority: RULE_PRIORITY[state] } : rule))
      .sort((one, other) => one.Priority - other.Priority)
      .find(({ Conditions }) => Conditions.every((condition) => holds(condition, call)))
    return found ? answer(found.Actions, hasToken) : 404
  }
}

function isTasks({ Actions }: ListenerRule): boolean {
  return Actions.some(({ ForwardConfig }) => ForwardConfig !== undefined)
}

function answer(actions: readonly Action[], hasToken: boolean): Answer {
  for (const { Type, TargetGroupArn, ForwardConfig, FixedResponseConfig } of actions) {
    if (Type === 'jwt-validation' && !hasToken) return 401
    if (FixedResponseConfig) return Number(FixedResponseConfig.StatusCode)
    const group = TargetGroupArn?.Ref ?? ForwardConfig?.TargetGroups[0]?.TargetGroupArn.Ref ?? ''
    if (/Fallback/.test(group)) return 'fallback'
    if (/Waking/.test(group)) return 'waking'
    if (/Blue/.test(group)) return 'gpu'
  }
  throw new Error(`${JSON.stringify(actions)} answer nothing`)
}

function holds(condition: Condition, { host = '', path, headers = {} }: Call): boolean {
  const { HostHeaderConfig, PathPatternConfig, HttpHeaderConfig } = condition
  if (HostHeaderConfig) return HostHeaderConfig.Values.some((each) => isLike(host, each))
  if (HttpHeaderConfig) {
    const { HttpHeaderName: name, Values } = HttpHeaderConfig
    const value = headers[name.toLowerCase()]
    return value !== undefined && Values.some((each) => isLike(value, each))
  }
  const { Values = [], RegexValues = [] } = PathPatternConfig ?? {}
  return (
    Values.some((each) => isLike(path, each, '')) ||
    RegexValues.some((each) => new RegExp(each).test(path))
  )
}

/** `*` is any text and `?` a character; hosts and headers are compared without regard to case. */
function isLike(text: string, pattern: string, flags = 'i'): boolean {
  const source = pattern
    .replace(/[.+^${}()|[\]\\]/g, '\\$&')
    .replaceAll('*', '.*')
    .replaceAll('?', '.')
  return new RegExp(`^${source}$`, flags).test(text)
}

/** Quotas of a rule: three values for each condition, five in all, 128 characters each. */
function checkLimits(conditions: readonly Condition[]): void {
  const values = conditions.map((condition) =>
    [
      condition.HostHeaderConfig?.Values,
      condition.HttpHeaderConfig?.Values,
      condition.PathPatternConfig?.Values,
      condition.PathPatternConfig?.RegexValues,
    ].flatMap((each) => each ?? []),
  )
  const all = values.flat()
  const isTooMuch =
    values.some((each) => each.length > 3) ||
    all.length > 5 ||
    all.some(({ length }) => length > 128)
  // What its regular expressions cannot do: look around, or back.
  const isUnknown = all.some((each) => /\(\?[=!<]|\\[1-9]/.test(each))
  if (isTooMuch || isUnknown)
    throw new Error(`${JSON.stringify(conditions)} is more than a rule takes`)
}
