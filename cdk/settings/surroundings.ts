import type { StackName } from '../../shared/deployment/settings.ts'
import type { BakeLimits } from '../constructs/bake-time.ts'
import type { MonthlyBudgetProps } from '../constructs/monthly-budget.ts'
import type { NetworkLayout, NetworkProps } from '../constructs/network.ts'
import type { Context } from './context.ts'
import { SettingError } from './setting-error.ts'

/** By which costs are told apart: the tag that a new deployment file names. */
const DEPLOYMENT_TAG = 'espalier:deployment'

const LAYOUTS = ['fixed', '1-public', '1-nat'] as const satisfies readonly NetworkLayout[]

/**
 * Layout and gateways of the network. Where nothing says them they are those of earlier versions, so that a deployed
 * network keeps its subnets.
 * @throws SettingError for GPUs without a gateway
 */
export function readNetwork(context: Context, stacks: ReadonlySet<StackName>): NetworkProps {
  const isGiven = context.text('network.layout') !== undefined
  const layout = isGiven ? context.choice('network.layout', LAYOUTS, 'fixed') : undefined
  // Tasks with addresses of their own network reach out through a gateway; jobs need none.
  const fallback = stacks.has('gpu') || layout === '1-nat' ? 1 : 0
  const natGateways = context.whole('network.nat') ?? fallback
  if (stacks.has('gpu') && natGateways === 0) {
    throw new SettingError(
      'network.nat is 0, and stacks has gpu, whose tasks reach out through a NAT gateway; it must be 1 or 2',
    )
  }
  return { layout, natGateways }
}

/** Tags of every stack, which CloudFormation puts on what it makes. @throws SettingError */
export function readTags(context: Context): Record<string, string> | undefined {
  const pairs = context.list('tags').map((pair) => {
    const [, key, value] = /^([^=]{1,128})=(.{0,256})$/.exec(pair) ?? []
    if (key !== undefined && value !== undefined) return [key.trim(), value.trim()] as const
    throw new SettingError(`tags has "${pair}"; it takes KEY=VALUE`)
  })
  return pairs.length > 0 ? Object.fromEntries(pairs) : undefined
}

/** What a month may cost, and who hears of more. @throws SettingError where nobody would */
export function readBudget(
  context: Context,
  stacks: ReadonlySet<StackName>,
): MonthlyBudgetProps | undefined {
  const monthlyUsd = context.whole('budget.monthly')
  if (monthlyUsd === undefined) return undefined
  if (!stacks.has('ops')) {
    throw new SettingError(
      'budget.monthly is set, and stacks has no ops, which makes the budget; add it, or leave budget.monthly out',
    )
  }
  const email = context.text('budget.email') ?? context.text('alarms.email')
  if (email === undefined) {
    throw new SettingError(
      'budget.monthly is set, and nobody would hear of it; give budget.email or alarms.email',
    )
  }
  const deployment = readTags(context)?.[DEPLOYMENT_TAG]
  return {
    monthlyUsd,
    email,
    tag: deployment === undefined ? undefined : { key: DEPLOYMENT_TAG, value: deployment },
  }
}

/** When a new champion is rolled back. @throws SettingError where there is nothing that could say so, or do it */
export function readBake(context: Context, stacks: ReadonlySet<StackName>): BakeLimits | undefined {
  const minutes = context.whole('bake.minutes')
  if (minutes === undefined) {
    const others = ['bake.errors', 'bake.latency', 'bake.alarms'] as const
    const given = others.find((key) => context.text(key) !== undefined)
    if (given === undefined) return undefined
    throw new SettingError(
      `${given} is set, and bake.minutes is not, which turns the bake time on; set it, or leave ${given} out`,
    )
  }
  const refuse = (why: string): never => {
    throw new SettingError(`bake.minutes is set, and ${why}, or leave bake.minutes out`)
  }
  if (!context.flag('events')) refuse('events is not true, which starts it; set events to true')
  if (!stacks.has('cpu') && !stacks.has('gpu')) {
    refuse('stacks has neither cpu nor gpu, whose log it searches; add one')
  }
  if (!stacks.has('ops')) refuse('stacks has no ops, which it is part of; add it')
  return {
    minutes,
    errors: context.number('bake.errors', { min: 0, max: 1 }),
    latencyMs: context.whole('bake.latency'),
    alarms: context.list('bake.alarms'),
  }
}
