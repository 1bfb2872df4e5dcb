/**
 * `npm run s3 -- [--port N] [--data FOLDER] [--bucket NAME] [COMMAND …]`: an S3 server on this machine, for as long as
 * the command runs, or until it is interrupted.
 */
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { type S3Server, type S3ServerOptions, startS3Server } from './server.ts'

const OPTIONS = {
  port: { type: 'string' },
  data: { type: 'string' },
  bucket: { type: 'string', default: 'espalier' },
} as const

/** Installs a server where there is none, starts it, and runs the command with it; returns the exit code. */
export async function main(argv: readonly string[]): Promise<number> {
  process.env.AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED ??= 'true'
  const { options, command } = splitArguments(argv)
  const { values } = parseArgs({ args: options, options: OPTIONS })
  const install = fileURLToPath(new URL('./install-server.sh', import.meta.url))
  const installed = spawnSync('bash', [install], { stdio: ['ignore', 'pipe', 'inherit'] })
  if (installed.status !== 0) return installed.status ?? 1
  const [kind, executable] = installed.stdout.toString().trim().split(' ')
  const server = await startS3Server({
    kind: kind as S3ServerOptions['kind'],
    executable: executable ?? '',
    bucket: values.bucket,
    port: values.port === undefined ? undefined : Number(values.port),
    data: values.data,
  })
  try {
    return await (command.length > 0 ? runCommand(server, command) : runUntilStopped(server))
  } finally {
    await server.stop()
  }
}

/** Options end at the first word that is none; what follows is the command, with options of its own. */
function splitArguments(argv: readonly string[]): { options: string[]; command: string[] } {
  let at = 0
  while (at < argv.length && argv[at]!.startsWith('--') && argv[at] !== '--') {
    at += argv[at]!.includes('=') ? 1 : 2
  }
  const command = argv.slice(argv[at] === '--' ? at + 1 : at)
  return { options: argv.slice(0, at), command }
}

async function runCommand({ env }: S3Server, command: readonly string[]): Promise<number> {
  const { ESPALIER_REGISTRY: _, ...settings } = env
  const child = spawn(command[0]!, command.slice(1), {
    env: { ...process.env, ...settings, S3_REQUIRED: '1' },
    stdio: 'inherit',
  })
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => child.kill(signal))
  const [code] = await once(child, 'exit')
  return (code as number | null) ?? 1
}

async function runUntilStopped(server: S3Server): Promise<number> {
  for (const [name, value] of Object.entries(server.env)) console.log(`export ${name}=${value}`)
  console.error(`S3 server on ${server.data}; Ctrl-C ends it`)
  const interrupted = Promise.race([once(process, 'SIGINT'), once(process, 'SIGTERM')])
  await Promise.race([server.ended, interrupted])
  return 0
}

process.exitCode = await main(process.argv.slice(2))
