import { type CostSettings, Costs, type PartCost } from '../shared/deployment/costs.ts'
import { PRICES } from '../shared/deployment/prices.ts'

const [BEGIN, END] = ['<!-- costs -->', '<!-- /costs -->']

/** A deployment of everything, as a new deployment file has it. */
const ALL: CostSettings = {
  stacks: new Set(['store', 'cpu', 'gpu', 'train', 'bulk', 'ops']),
  memoryMib: 1769,
  architecture: 'x86_64',
  snapStart: false,
  provisioned: 0,
  isPrivate: false,
  hasKeys: true,
  hasEvents: true,
  bakeMinutes: 15,
  natGateways: 1,
  quietMinutes: 60,
}

/** The page with its tables of costs made anew. @throws Error where it has no place for them */
export function fillCosts(page: string): string {
  const [start, end] = [page.indexOf(BEGIN), page.indexOf(END)]
  if (start < 0 || end < start) throw new Error(`the page has no ${BEGIN} … ${END}`)
  return `${page.slice(0, start + BEGIN.length)}\n${renderCosts()}\n${page.slice(end)}`
}

function renderCosts(): string {
  const costs = new Costs(ALL, PRICES)
  const warm = (extra: Partial<CostSettings>) =>
    new Costs({ ...ALL, ...extra }, PRICES).idle().find(({ part }) => part === 'CpuApi')!
  const options: [string, PartCost][] = [
    ['`cpu.snapstart`', warm({ snapStart: true })],
    ['`cpu.snapstart` with `cpu.memory` 3538', warm({ snapStart: true, memoryMib: 3538 })],
    ['`cpu.provisioned` 1', warm({ provisioned: 1 })],
  ]
  const requests = [
    costs.requests(1e6, 10),
    costs.requests(1e6, 50),
    new Costs({ ...ALL, memoryMib: 3538 }, PRICES).requests(1e6, 50),
  ]
  return [
    `List prices of ${PRICES.region}, written down on ${PRICES.date} in \`shared/deployment/prices.ts\`, with the page of each and the price list of AWS in which it was found, if any.`,
    '',
    '| while nobody calls | $ a month | arithmetic |',
    '|---|---|---|',
    ...costs.idle().map(row),
    ...options.map(([name, cost]) => {
      const line = cost.lines.at(-1)!
      return `| ${name}, in addition | ${line.usd.toFixed(2)} | ${line.arithmetic} |`
    }),
    '',
    '| a million requests | $ | arithmetic |',
    '|---|---|---|',
    ...requests.map(row),
    '',
    '| now and then | $ | arithmetic |',
    '|---|---|---|',
    row(costs.wake()!),
    row(costs.changes(1000)!),
    row(costs.bake(10)!),
  ].join('\n')
}

function row({ part, usd, lines }: PartCost): string {
  const arithmetic = lines.map((line) => line.arithmetic).join('; ')
  const small = usd > 0 && usd < 0.01
  return `| ${part} | ${small ? usd.toPrecision(2) : usd.toFixed(2)} | ${arithmetic || 'nothing runs and nothing is kept'} |`
}
