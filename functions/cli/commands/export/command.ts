import type { Command } from 'commander'
import type { CommandContext } from '../../context.ts'
import { addExportOptions, type ExportOptions } from './options.ts'
import { exportFolder } from './run.ts'

/** `espalier export FOLDER` */
export function addExportCommand(program: Command, context: CommandContext): void {
  const command = program
    .command('export')
    .summary('turn a Hugging Face folder into an encoder')
    .description(
      'Turn a Hugging Face folder (config.json, model.safetensors, tokenizer.json) of a BERT-family encoder, ' +
        'or one with a foreign onnx/model.onnx, into an encoder artifact. A fine-tuned classifier ' +
        '(…ForSequenceClassification) becomes its encoder and a classifier with its labels. An ONNX image network ' +
        'with preprocessor_config.json or espalier.json becomes an image encoder.',
    )
    .argument('<folder>', 'the Hugging Face folder; nothing in it is changed')
  addExportOptions(command)
    .addHelpText(
      'after',
      `
Examples:
  espalier export ./bge-small-en-v1.5 --output ./encoders/bge-small
  espalier export ./bge-small-en-v1.5 --name bge-small --publish --promote
  espalier export ./finbert --name sentiment --publish --promote
  espalier export ./my-encoder --precision int8 --calibration my-texts.txt
  espalier export ./resnet-50 --modality image --name resnet-50 --publish
  espalier export ./resnet-50 --calibration ./photographs
  ESPALIER_ENCODER=./encoders/bge-small espalier serve`,
    )
    .action((folder: string, options: ExportOptions) => exportFolder(context, folder, options))
}
