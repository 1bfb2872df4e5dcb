import { type Command, InvalidArgumentError } from 'commander'
import { EspalierError } from '../../../shared/lib/errors.ts'
import type { CommandContext } from '../context.ts'
import {
  addChangeOptions,
  type ChangeFlags,
  noteChange,
  parseBareName,
} from '../options/change-options.ts'
import { describeOwnChange, formatTraffic } from '../output/describe-change.ts'

interface Share {
  readonly version: number
  readonly percent: number
}

interface TrafficFlags extends ChangeFlags {
  readonly clear?: boolean
}

/** `espalier traffic intent v7=90 v8=10` */
export function addTrafficCommand(program: Command, context: CommandContext): void {
  const command = program
    .command('traffic')
    .summary('split requests between versions')
    .description(
      'Split the requests for the bare name between versions, in whole percent that add up to 100. ' +
        'Without shares, print the present split. A promotion of the champion ends it.',
    )
    .argument('<name>', 'the model')
    .argument('[shares...]', 'versions with their percent, such as v7=90 v8=10', parseShare)
    .option('--clear', 'end the split: the champion answers all requests')
  addChangeOptions(command)
    .addHelpText(
      'after',
      `
Examples:
  espalier traffic intent v7=90 v8=10 --reason "canary of v8"
  espalier traffic intent
  espalier traffic intent --clear`,
    )
    .action((model: string, shares: Share[] | undefined, flags: TrafficFlags) =>
      changeTraffic(context, model, shares ?? [], flags),
    )
}

async function changeTraffic(
  context: CommandContext,
  model: string,
  shares: readonly Share[],
  { clear, ...flags }: TrafficFlags,
): Promise<void> {
  const name = parseBareName(model, 'traffic', 'give versions as v7=90 v8=10')
  if (clear === true && shares.length > 0) {
    throw new EspalierError('invalid_request', '--clear ends the split; leave the shares out')
  }
  const registry = await (await context.boot()).openRegistry()
  const { signal, print } = context
  if (clear !== true && shares.length === 0) {
    const { readModelCard } = await import('../../../shared/versions/model-card.ts')
    const { state } = await readModelCard(registry, name, signal)
    const split = `traffic of ${name}: ${formatTraffic(state.traffic)}`
    return print(flags.json === true ? JSON.stringify(state, null, 2) : split)
  }
  const note = noteChange(flags, signal)
  const state = await registry.setTraffic(name, clear === true ? null : [...shares], note)
  if (flags.json === true) return print(JSON.stringify(state, null, 2))
  const split = `traffic of ${name}: ${formatTraffic(state.traffic)}`
  await print(describeOwnChange(state, note.id, split))
}

/** commander hands over what was read so far as the second argument. */
function parseShare(value: string, before: readonly Share[] | undefined): Share[] {
  const match = /^v?([1-9]\d{0,8})=(\d{1,3})%?$/.exec(value)
  if (match) return [...(before ?? []), { version: Number(match[1]), percent: Number(match[2]) }]
  throw new InvalidArgumentError('It must be a version with its percent, such as v7=90.')
}
