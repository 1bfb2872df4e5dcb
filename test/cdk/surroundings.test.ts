import { describe, expect, it } from 'vitest'
import {
  type ContextValues,
  compose,
  EVERYTHING,
  IMAGE,
  onlyOf,
  SMALLEST,
  synthesize,
} from './synthesize.ts'

const JOBS = { region: 'eu-west-1', stacks: 'store,train,bulk', 'image.cpu': IMAGE }
const FIXED = { 'network.layout': 'fixed' }

/** Addresses of a network's subnets, by logical id. */
function subnets(values: ContextValues): Readonly<Record<string, unknown>> {
  const resources = synthesize(values).resources('EspalierNetwork')
  return Object.fromEntries(
    Object.entries(resources)
      .filter(([, { Type }]) => Type === 'AWS::EC2::Subnet')
      .map(([id, { Properties }]) => [id, [Properties?.CidrBlock, Properties?.AvailabilityZone]]),
  )
}

describe('the network', () => {
  it('of the layout fixed keeps its subnets when GPUs and their gateway come', () => {
    const before = subnets({ ...JOBS, ...FIXED })
    expect(Object.values(before).map((each) => (each as string[])[0])).toEqual([
      '10.0.0.0/20',
      '10.0.16.0/20',
      '10.0.32.0/20',
      '10.0.48.0/20',
    ])
    expect(subnets({ ...EVERYTHING, ...FIXED })).toEqual(before)
    expect(subnets({ ...JOBS, ...FIXED, 'network.nat': '2' })).toEqual(before)
  })

  it('has its layout of earlier deployments where none is said', () => {
    const values = Object.values(subnets(JOBS)).map((each) => (each as string[])[0])
    expect(values).toEqual(['10.0.0.0/17', '10.0.128.0/17'])
    expect(subnets({ ...JOBS, 'network.layout': '1-public' })).toEqual(subnets(JOBS))
    expect(subnets({ ...EVERYTHING, 'network.layout': '1-nat' })).toEqual(subnets(EVERYTHING))
  })

  it('with the layout fixed lets jobs out by addresses of their own, or through a gateway', () => {
    const publicIp = (values: ContextValues) =>
      JSON.stringify(synthesize(values).resources('EspalierTrain')).includes(
        '"AssignPublicIp":"ENABLED"',
      )
    expect(publicIp({ ...JOBS, ...FIXED })).toBe(true)
    expect(publicIp({ ...JOBS, ...FIXED, 'network.nat': '1' })).toBe(false)
  })

  it.each<[string, ContextValues, RegExp]>([
    [
      'GPUs without a gateway',
      { ...EVERYTHING, ...FIXED, 'network.nat': '0' },
      /^network.nat is 0/,
    ],
    [
      'GPUs without private subnets',
      { ...EVERYTHING, 'network.layout': '1-public' },
      /is 1-public/,
    ],
    ['1-nat without one', { ...JOBS, 'network.layout': '1-nat', 'network.nat': '0' }, /is 1-nat, /],
    [
      'a gateway too many',
      { ...JOBS, ...FIXED, 'network.nat': '3' },
      /is 3; it must be .* 0 to 2$/,
    ],
    ['another layout', { ...JOBS, 'network.layout': 'wide' }, /one of fixed, 1-public, 1-nat$/],
  ])('refuses %s', (_, values, message) => {
    expect(() => compose(values)).toThrow(message)
  })
})

describe('regions', () => {
  it.each([
    ['cn-north-1', 'aws-cn'],
    ['us-gov-west-1', 'aws-us-gov'],
    ['us-iso-east-1', 'aws-iso'],
    ['eusc-de-east-1', 'aws-eusc'],
  ])('%s is refused: it is of another partition', (region, partition) => {
    expect(() => compose({ ...SMALLEST, region })).toThrow(
      `region is "${region}", of the partition ${partition}; these stacks work in the partition aws alone`,
    )
  })
})

describe('copies that stay started', () => {
  it('are those of the alias', () => {
    const synthesis = synthesize({ ...SMALLEST, 'cpu.provisioned': '2' })
    expect(onlyOf(synthesis, 'EspalierCpuApi', 'AWS::Lambda::Alias')).toMatchObject({
      ProvisionedConcurrencyConfig: { ProvisionedConcurrentExecutions: 2 },
    })
    const without = onlyOf(synthesize(SMALLEST), 'EspalierCpuApi', 'AWS::Lambda::Alias')
    expect(without).not.toHaveProperty('ProvisionedConcurrencyConfig')
  })

  it.each<[string, ContextValues, RegExp]>([
    ['with snapshots', { 'cpu.snapstart': 'true' }, /provisioned.*snapstart.*leave one out/],
    ['beyond the concurrency', { 'cpu.concurrency': '1' }, /is 2; it must be .* from 1 to 1$/],
  ])('are refused %s', (_, values, message) => {
    expect(() => compose({ ...SMALLEST, 'cpu.provisioned': '2', ...values })).toThrow(message)
  })
})

describe('a budget', () => {
  const OPS = {
    ...SMALLEST,
    stacks: 'store,cpu,ops',
    'budget.monthly': '50',
    'alarms.email': 'ops@example.com',
  }

  it('tells by mail, before and when it is spent, of costs under the tag of the deployment', () => {
    const tagged = synthesize({ ...OPS, tags: 'espalier:deployment=Espalier,team=search' })
    const subscribers = [{ SubscriptionType: 'EMAIL', Address: 'ops@example.com' }]
    const notification = (type: string, threshold: number) => ({
      Notification: {
        NotificationType: type,
        ComparisonOperator: 'GREATER_THAN',
        Threshold: threshold,
        ThresholdType: 'PERCENTAGE',
      },
      Subscribers: subscribers,
    })
    expect(onlyOf(tagged, 'EspalierOps', 'AWS::Budgets::Budget')).toEqual({
      Budget: {
        BudgetType: 'COST',
        TimeUnit: 'MONTHLY',
        BudgetLimit: { Amount: 50, Unit: 'USD' },
        CostFilters: { TagKeyValue: ['user:espalier:deployment$Espalier'] },
      },
      NotificationsWithSubscribers: [notification('FORECASTED', 80), notification('ACTUAL', 100)],
    })
  })

  it('counts the account where no tag says what is the deployment, and mails its own address', () => {
    const all = synthesize({ ...OPS, 'budget.email': 'money@example.com' })
    const budget = onlyOf<{ Budget: object }>(all, 'EspalierOps', 'AWS::Budgets::Budget')
    expect(budget.Budget).not.toHaveProperty('CostFilters')
    expect(JSON.stringify(budget)).toContain('money@example.com')
  })

  it.each<[string, ContextValues, RegExp]>([
    [
      'nobody who hears of it',
      { ...OPS, 'alarms.email': '' },
      /^budget.monthly is set, and nobody/,
    ],
    ['half a tag', { ...OPS, tags: 'espalier' }, /^tags has "espalier"; it takes KEY=VALUE$/],
    ['no ops', { ...OPS, stacks: 'store,cpu' }, /^budget.monthly is set, and stacks has no ops/],
  ])('is refused with %s', (_, values, message) => {
    expect(() => compose(values)).toThrow(message)
  })
})
