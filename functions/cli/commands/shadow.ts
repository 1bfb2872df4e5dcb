import type { Command } from 'commander'
import { EspalierError } from '../../../shared/lib/errors.ts'
import type { CommandContext } from '../context.ts'
import {
  addChangeOptions,
  type ChangeFlags,
  noteChange,
  parseBareName,
} from '../options/change-options.ts'
import { numberBetween, versionNumber } from '../options/parsers.ts'
import { describeOwnChange, formatShadow } from '../output/describe-change.ts'

const DEFAULT_SAMPLE_PERCENT = 5

interface ShadowFlags extends ChangeFlags {
  readonly sample?: number
  readonly clear?: boolean
}

/** `espalier shadow intent v9 --sample 5` */
export function addShadowCommand(program: Command, context: CommandContext): void {
  const command = program
    .command('shadow')
    .summary('let a version score requests without answering')
    .description(
      'Let a version score a sample of the requests in the background; answers stay as they are. ' +
        'Without a version, print the present shadow.',
    )
    .argument('<name>', 'the model')
    .argument('[version]', 'the version, such as v9', versionNumber)
    .option(
      '--sample <percent>',
      `share of the requests, more than 0 and at most 100; default: ${DEFAULT_SAMPLE_PERCENT}`,
      numberBetween(0, 100),
    )
    .option('--clear', 'end it')
  addChangeOptions(command)
    .addHelpText(
      'after',
      `
Examples:
  espalier shadow intent v9 --sample 5
  espalier shadow intent
  espalier shadow intent --clear`,
    )
    .action((model: string, version: number | undefined, flags: ShadowFlags) =>
      changeShadow(context, model, version, flags),
    )
}

async function changeShadow(
  context: CommandContext,
  model: string,
  version: number | undefined,
  { clear, sample, ...flags }: ShadowFlags,
): Promise<void> {
  const name = parseBareName(model, 'shadow', 'give the version after it: v9')
  if (clear === true && (version !== undefined || sample !== undefined)) {
    throw new EspalierError('invalid_request', '--clear ends the shadow; leave the rest out')
  }
  if (version === undefined && sample !== undefined) {
    throw new EspalierError('invalid_request', '--sample needs the version that is to score')
  }
  const registry = await (await context.boot()).openRegistry()
  const { signal, print } = context
  if (clear !== true && version === undefined) {
    const { readModelCard } = await import('../../../shared/versions/model-card.ts')
    const { state } = await readModelCard(registry, name, signal)
    const shadow = `shadow of ${name}: ${formatShadow(state.shadow)}`
    return print(flags.json === true ? JSON.stringify(state, null, 2) : shadow)
  }
  const note = noteChange(flags, signal)
  const samplePercent = sample ?? DEFAULT_SAMPLE_PERCENT
  const shadow = version === undefined ? null : { version, samplePercent }
  const state = await registry.setShadow(name, shadow, note)
  if (flags.json === true) return print(JSON.stringify(state, null, 2))
  const present = `shadow of ${name}: ${formatShadow(state.shadow)}`
  await print(describeOwnChange(state, note.id, present))
}
