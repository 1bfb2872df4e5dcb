import type { Command } from 'commander'
import { isEspalierError } from '../../../../shared/lib/errors.ts'
import { print } from '../../../../shared/lib/wording.ts'
import type { Boot } from '../../../boot/types.ts'
import type { CommandContext } from '../../context.ts'
import { namedTexts, oneOf, wholeNumber } from '../../options/parsers.ts'
import { COMMAND_LINE, EXIT_USAGE } from '../../output/report-error.ts'
import { describeFault, describeInspection, inspectionToJson } from './print.ts'

const POOLINGS = ['mean', 'cls', 'max'] as const

interface InspectFlags {
  readonly pooling?: (typeof POOLINGS)[number]
  readonly maxTokens?: number
  readonly prompt?: Readonly<Record<string, string>>
  readonly headless?: boolean
  readonly onnx?: string
  readonly allowRegex?: boolean
  readonly json?: boolean
}

/** `espalier inspect FOLDER` */
export function addInspectCommand(program: Command, context: CommandContext): void {
  program
    .command('inspect')
    .summary('say what a model folder is, and what an export would make of it')
    .description(
      'Say what the folder of a pretrained model is, what "espalier export" would make of it, and what stands in the ' +
        'way, with the options that answer it. Nothing is written. Exit code 0 where the export would go through, 2 ' +
        'where something is open or refused.',
    )
    .argument('<folder>', 'the Hugging Face folder')
    .option('--pooling <kind>', 'as in export: mean, cls or max', oneOf(POOLINGS))
    .option('--max-tokens <n>', 'as in export: longest input in tokens', wholeNumber(2, 32_768))
    .option('--prompt <name=text>', 'as in export: a prompt; may be repeated', namedTexts)
    .option('--headless', 'as in export: take the encoder without its output layer')
    .option('--onnx <file>', 'as in export: ONNX file of the folder to take')
    .option('--allow-regex', 'as in export: take regular expressions as they are')
    .option('--json', 'print what was found as JSON')
    .addHelpText(
      'after',
      `
Examples:
  espalier inspect ./bge-small-en-v1.5
  espalier inspect ./gte-base --pooling cls --json`,
    )
    .action(async (folder: string, flags: InspectFlags) => {
      const boot = await context.boot()
      const isImage = (await boot.modalityOf(folder)) === 'image'
      const inspect = isImage ? inspectImages : inspectTexts
      if (!(await inspect(context, boot, folder, flags))) context.exitWith(EXIT_USAGE)
    })
}

/** @returns whether an export would go through */
async function inspectTexts(
  context: CommandContext,
  boot: Boot,
  folder: string,
  { json, prompt: prompts, ...answers }: InspectFlags,
): Promise<boolean> {
  const found = await boot.inspectFolder(folder, { ...answers, prompts, signal: context.signal })
  if (json === true) await context.print(JSON.stringify(inspectionToJson(folder, found), null, 2))
  else for (const line of describeInspection(folder, found)) await context.print(line)
  return found.encoder !== null
}

/** @returns whether an export would go through */
async function inspectImages(
  context: CommandContext,
  boot: Boot,
  folder: string,
  { json }: InspectFlags,
): Promise<boolean> {
  const common = { folder, modality: 'image' }
  try {
    const { layers, chosen } = await boot.listLayers(folder)
    const layer = layers.find(({ name }) => name === chosen)
    const parameters = layer?.parameters ?? 0
    const encoder = { layer: chosen, dimension: layer?.shape[0] ?? 0, parameters }
    if (json === true) {
      const shown = { ...common, exports: true, encoder, layers: layers.length, faults: [] }
      await context.print(JSON.stringify(shown, null, 2))
    } else {
      await context.print(
        `${folder}: an image network; an export cuts it at ${chosen} (${encoder.dimension} dimensions, ` +
          `${parameters} parameters), one of ${layers.length} layers`,
      )
    }
    return true
  } catch (error) {
    if (!isEspalierError(error)) throw error
    const faults = [{ code: error.code, message: print(error.wording, COMMAND_LINE) }]
    if (json === true) {
      const shown = { ...common, exports: false, encoder: null, faults }
      await context.print(JSON.stringify(shown, null, 2))
    } else {
      await context.print(`${folder}: an image network, which an export refuses`)
      await context.print(describeFault(error))
    }
    return false
  }
}
