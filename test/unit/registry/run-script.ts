import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'
import { afterAll, beforeAll } from 'vitest'

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

/** Starts the scripts of `scripts/`, each in a Node process of its own. */
export interface Scripts {
  readonly start: StartScript
  /** As `start`, on a system without symbolic links and /proc. */
  readonly startPlain: StartScript
}

export type StartScript = (...args: string[]) => Script

/** Bundles a script once for the tests of a file: compiling takes a process longer than what it is tested for. */
export function useScript(name: string): Scripts {
  let folder = ''
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'espalier-script-'))
    await build({
      entryPoints: [fileURLToPath(new URL(`./scripts/${name}.ts`, import.meta.url))],
      outfile: join(folder, `${name}.mjs`),
      bundle: true,
      platform: 'node',
      target: 'node20',
      format: 'esm',
      banner: {
        js: "import { createRequire } from 'node:module'; const require = createRequire(import.meta.url)",
      },
      logLevel: 'error',
    })
  })
  afterAll(() => rm(folder, { recursive: true, force: true }))
  const plain = new URL('./scripts/plain-system.mjs', import.meta.url).href
  const script = () => join(folder, `${name}.mjs`)
  return {
    start: (...args) => run(script(), [], args),
    startPlain: (...args) => run(script(), ['--import', plain], args),
  }
}

function run(path: string, flags: readonly string[], args: readonly string[]): Script {
  const child = spawn(process.execPath, [...flags, path, ...args], {
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
      if (code !== 0) throw new Error(`${path} ended with ${code}: ${errors}`)
      return rest
    },
    kill: async () => {
      child.kill('SIGKILL')
      await exited
    },
  }
}
