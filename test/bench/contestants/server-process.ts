import { spawn } from 'node:child_process'
import { once } from 'node:events'
import type { Address } from '../http/address.ts'
import { parseAddress } from '../http/address.ts'

/** How to start a server of ours. */
export interface ServerSpec {
  readonly name: string
  /** The program and its arguments. */
  readonly command: readonly string[]
  readonly env: Readonly<Record<string, string>>
}

/** A running server of ours. */
export interface ServerProcess {
  readonly name: string
  readonly address: Address
  readonly pid: number
  stop(): Promise<void>
}

const KEPT_STDERR = 4000

/**
 * Starts a server and waits for the line that names its address.
 * @throws Error with what the server said when it ends before
 */
export async function startServer(spec: ServerSpec): Promise<ServerProcess> {
  const [program, ...args] = spec.command
  const child = spawn(program as string, args, {
    env: { ...process.env, ...spec.env },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let said = ''
  child.stderr.on('data', (chunk: Buffer) => {
    said = (said + chunk.toString()).slice(-KEPT_STDERR)
  })
  const exited = once(child, 'exit').catch(() => {})
  const url = await new Promise<string>((resolve, reject) => {
    let printed = ''
    child.stdout.on('data', (chunk: Buffer) => {
      printed += chunk.toString()
      const match = /listens on (http:\/\/\S+)/.exec(printed)
      if (match) resolve(match[1] as string)
    })
    child.once('error', reject)
    void exited.then(() => reject(new Error(`${spec.name} ended at start: ${said.trim()}`)))
  })
  return {
    name: spec.name,
    address: parseAddress(url, spec.name),
    pid: child.pid as number,
    async stop() {
      child.kill('SIGTERM')
      await exited
    },
  }
}
