import type { Command } from 'commander'
import type { CommandContext } from '../context.ts'
import { formatTable } from '../output/table.ts'

/** `espalier layers FOLDER` */
export function addLayersCommand(program: Command, context: CommandContext): void {
  program
    .command('layers')
    .summary('list the layers that an image network can be cut at')
    .description(
      'List the layers of an ONNX image network that can be its embedding, from the input on: everything goes ' +
        'through them, and they are vectors or feature maps, which are averaged.',
    )
    .argument('<folder>', 'model.onnx with preprocessor_config.json or espalier.json')
    .option('--json', 'print the layers as JSON')
    .addHelpText(
      'after',
      `
Examples:
  espalier layers ./resnet-50
  espalier export ./resnet-50 --layer layer3_out --name resnet-layer3`,
    )
    .action(async (folder: string, { json }: { json?: boolean }) => {
      const boot = await context.boot()
      const { layers, chosen, blocks } = await boot.listLayers(folder)
      if (json === true) return context.print(JSON.stringify({ layers, chosen, blocks }, null, 2))
      const above = new Map(blocks.toReversed().map((name, at) => [name, String(at + 1)]))
      const rows = layers.map(({ name, operator, shape, parameters }) => [
        name === chosen ? '*' : '',
        name,
        operator,
        shape.join(' x '),
        String(parameters),
        above.get(name) ?? '',
      ])
      await context.print(
        formatTable([
          ['', 'LAYER', 'OPERATOR', 'SHAPE', 'PARAMETERS BELOW', 'BLOCKS ABOVE'],
          ...rows,
        ]),
      )
      await context.print('* is taken where "espalier export" is given no --layer.')
      await context.print('Blocks above: what "espalier finetune --layers N" trains.')
    })
}
