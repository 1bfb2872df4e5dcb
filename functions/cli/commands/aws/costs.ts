import { type Command, InvalidArgumentError } from 'commander'
import { Costs, type PartCost, readCostSettings } from '../../../../shared/deployment/costs.ts'
import {
  DEPLOYMENT_FILE,
  findDeploymentFile,
  readDeployment,
} from '../../../../shared/deployment/deployment-file.ts'
import { PRICES } from '../../../../shared/deployment/prices.ts'
import type { CommandContext } from '../../context.ts'
import { formatTable } from '../../output/table.ts'

interface CostOptions {
  readonly file?: string
  readonly environment?: string
  readonly requests: number
  readonly milliseconds: number
  readonly json?: boolean
}

const EXAMPLES = `
Examples:
  espalier aws costs
  espalier aws costs --environment production --requests 20000000 --milliseconds 15
  espalier aws costs --json`

/** `espalier aws costs` */
export function addAwsCostsCommand(group: Command, context: CommandContext): void {
  group
    .command('costs')
    .summary('work out what a deployment costs')
    .description(
      `Work out what the deployment of ${DEPLOYMENT_FILE} costs a month while nobody calls, and for requests, with the arithmetic. ` +
        `The prices are list prices of ${PRICES.region} on ${PRICES.date}, without free tiers, discounts and taxes; nothing is looked up.`,
    )
    .option('--file <path>', 'deployment file')
    .option('--environment <name>', 'environment of the file')
    .option('--requests <count>', 'requests a month', count, 1_000_000)
    .option('--milliseconds <ms>', 'time that a request takes', count, 50)
    .option('--json', 'print a JSON object')
    .addHelpText('after', EXAMPLES)
    .action((options: CostOptions) => printCosts(context, options))
}

async function printCosts(context: CommandContext, options: CostOptions): Promise<void> {
  const path = options.file ?? findDeploymentFile(['.'])
  const deployment = path === null ? null : readDeployment(path, options.environment)
  const settings = readCostSettings(deployment?.values ?? new Map())
  const costs = new Costs(settings, PRICES)
  const idle = costs.idle()
  const requests = settings.stacks.has('cpu')
    ? costs.requests(options.requests, options.milliseconds)
    : null
  const wake = costs.wake()
  const changes = costs.changes(1000)
  const bake = costs.bake(perSecond(options.requests))
  if (options.json === true) {
    const { date, region } = PRICES
    const found = { prices: { date, region }, file: path, idle, requests, wake, changes, bake }
    await context.print(JSON.stringify(found, null, 2))
    return
  }
  await context.print(`${path ?? 'defaults, as there is no deployment file'}`)
  const total = idle.reduce((sum, { usd }) => sum + usd, 0)
  await context.print('\na month while nobody calls')
  await context.print(formatTable([...idle.map(row), ['total', dollars(total), '']]))
  if (requests) {
    await context.print(`\n${options.requests.toLocaleString('en-US')} requests`)
    await context.print(formatTable([row(requests)]))
  }
  if (wake) {
    await context.print('\nwaking the GPU, with the fee of ECS Managed Instances to be added')
    await context.print(formatTable([row(wake)]))
  }
  const rows = [changes, bake].filter((part) => part !== null).map(row)
  if (rows.length > 0) {
    await context.print('\nchanges of models')
    await context.print(formatTable(rows))
  }
  await context.print(`\nlist prices of ${PRICES.region}, ${PRICES.date}`)
}

function row({ part, usd, lines }: PartCost): string[] {
  return [part, dollars(usd), lines.map(({ arithmetic }) => arithmetic).join('; ')]
}

/** Of requests a month, two digits. */
function perSecond(requests: number): number {
  return Number((requests / (730 * 3600)).toPrecision(2))
}

function dollars(usd: number): string {
  return `$${usd > 0 && usd < 0.01 ? usd.toPrecision(2) : usd.toFixed(2)}`
}

function count(text: string): number {
  if (/^[1-9][0-9]{0,11}$/.test(text)) return Number(text)
  throw new InvalidArgumentError('It must be a whole number above 0.')
}
