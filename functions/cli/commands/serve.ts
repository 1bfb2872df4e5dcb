import type { Command } from 'commander'
import type { CommandContext } from '../context.ts'
import { addMainEncoderOptions, type EncoderOptions } from '../options/job-parts.ts'
import { wholeNumber } from '../options/parsers.ts'

interface ServeFlags extends EncoderOptions {
  readonly host?: string
  readonly port?: number
  readonly offlineOk?: boolean
  readonly quiet?: boolean
}

/** `espalier serve` */
export function addServeCommand(program: Command, context: CommandContext): void {
  const command = program
    .command('serve')
    .summary('start the server')
    .description('Start the HTTP server. Options win over environment variables.')
    .option(
      '-p, --port <n>',
      'port, 0 takes a free one; default: PORT or 8080',
      wholeNumber(0, 65_535),
    )
    .option('--host <address>', 'address to listen on; default: HOST or 127.0.0.1')
  addMainEncoderOptions(command)
    .option(
      '--offline-ok',
      'start without the registry where it is away, from what the cache has; default: ESPALIER_OFFLINE_OK',
    )
    .option('-q, --quiet', 'print the address only')
    .addHelpText(
      'after',
      `
Examples:
  espalier serve
  espalier serve --port 9000 --precision float32
  HOST=0.0.0.0 ESPALIER_API_KEYS_FILE=keys.txt espalier serve`,
    )
    .action((flags: ServeFlags) => serve(context, flags))
}

/** Runs until the signal: ending a server is how it ends well, so that its exit code is the server's. */
async function serve(
  context: CommandContext,
  { quiet, encoder: model, ...flags }: ServeFlags,
): Promise<void> {
  const boot = await context.boot()
  const display = context.progress(quiet === true)
  try {
    const { url, closed } = await boot.serve({
      ...flags,
      model,
      onProgress: display.report,
      signal: context.signal,
    })
    display.stop()
    await context.print(`Espalier listens on ${url}`)
    if (quiet !== true) await context.print(`  ${curlExample(url)}`)
    context.exitWith(await closed)
  } finally {
    display.stop()
  }
}

function curlExample(url: string): string {
  // Nobody can call the address that means "all of them".
  const target = url.replace('//0.0.0.0:', '//127.0.0.1:').replace('//[::]:', '//[::1]:')
  return `curl -s ${target}/embed -H 'content-type: application/json' -d '{"inputs": "A cat sleeps."}'`
}
