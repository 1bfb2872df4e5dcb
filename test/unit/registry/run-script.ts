import { type ChildProcess, spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'

/** A process that runs one of the scripts here. */
export interface Script {
  readonly child: ChildProcess
  /** The next line that it prints; null at the end. */
  readonly nextLine: () => Promise<string | null>
  /** The lines not yet read, once it has ended; rejects where it failed by itself. */
  readonly end: () => Promise<string[]>
  /** As `kill -9`, and waits for the end. */
  readonly kill: () => Promise<void>
}

/** Starts a script of `scripts/` in a Node process of its own. */
export function startScript(name: string, ...args: string[]): Script {
  return run(name, [], args)
}

/** As `startScript`, on a system without symbolic links and /proc. */
export function startPlainScript(name: string, ...args: string[]): Script {
  const plain = new URL('./scripts/plain-system.mjs', import.meta.url).href
  return run(name, ['--import', plain], args)
}

function run(name: string, flags: readonly string[], args: readonly string[]): Script {
  const path = fileURLToPath(new URL(`./scripts/${name}`, import.meta.url))
  const child = spawn(process.execPath, ['--import', 'tsx', ...flags, path, ...args], {
    stdio: ['pipe', 'pipe', 'pipe'],
  })
  let errors = ''
  child.stderr!.on('data', (chunk) => {
    errors += chunk
  })
  const exited = new Promise<number | null>((resolve) => child.on('close', resolve))
  const lines = createInterface({ input: child.stdout! })[Symbol.asyncIterator]()
  const nextLine = async () => {
    const { value, done } = await lines.next()
    return done ? null : (value as string)
  }
  return {
    child,
    nextLine,
    end: async () => {
      const rest: string[] = []
      for (let line = await nextLine(); line !== null; line = await nextLine()) rest.push(line)
      const code = await exited
      if (code !== 0) throw new Error(`${name} ended with ${code}: ${errors}`)
      return rest
    },
    kill: async () => {
      child.kill('SIGKILL')
      await exited
    },
  }
}
