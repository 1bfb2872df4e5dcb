import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import type { StepOptions } from '../finetune/protocol.ts'
import type { ChildSpec } from './child.ts'
import type { EngineChoice } from './serve-engine.ts'
import type { ImagesChoice } from './serve-images.ts'
import type { ServerSpec } from './server-process.ts'

/** The graphs that run on CPUs, the default first. */
export const PRECISIONS = ['int8', 'float32'] as const
export type BenchPrecision = (typeof PRECISIONS)[number]

/** The encoder that a clone carries, below the root. */
export const BUILTIN_FOLDER = 'infra/models/all-MiniLM-L6-v2'

/** First arguments of `dist/bench.js` that make it one of the bench's own processes. */
export const ROLES = {
  engine: 'child:engine',
  client: 'child:client',
  images: 'child:images',
  matrix: 'child:matrix',
  steps: 'child:steps',
}

/** A server of ours: precision, and what differs from its defaults. */
export interface ServerChoice {
  readonly precision: BenchPrecision
  readonly workers?: number
  /** The core that the whole process is bound to, where the system can do that. */
  readonly core?: number
  readonly port?: number
}

/** How to start our own contestants from a built tree. */
export interface OwnContestants {
  engine(choice: EngineChoice, name?: string): ChildSpec
  server(choice: ServerChoice, name?: string): ServerSpec
  /** The load client, not a contestant but a process like them. */
  client(core?: number): ChildSpec
  matrix(options: object): ChildSpec
  /** Training steps. */
  steps(options: StepOptions): ChildSpec
  images(choice: ImagesChoice): ChildSpec
}

/** @param root the folder that holds `dist/` */
export function ownContestants(root: string): OwnContestants {
  const script = join(root, 'dist', 'bench.js')
  const child = (name: string, role: string, options: object): ChildSpec => ({
    name,
    script,
    args: [role, JSON.stringify(options)],
  })
  return {
    engine: (choice, name = `espalier ${choice.precision}`) => child(name, ROLES.engine, choice),
    images: (choice) => child('espalier images', ROLES.images, choice),
    matrix: (options) => child('matrix products', ROLES.matrix, options),
    steps: (options) => child('training steps', ROLES.steps, options),
    client: (core) => ({ ...child('load client', ROLES.client, {}), core }),
    server({ precision, workers, core, port = 0 }, name = `espalier ${precision}`) {
      const serve = [process.execPath, join(root, 'dist', 'cli.js'), 'serve', '--quiet']
      const options = ['--host', '127.0.0.1', '--port', String(port), '--precision', precision]
      const threads = workers === undefined ? [] : ['--workers', String(workers)]
      return {
        name,
        command: [...pinned(core), ...serve, ...options, ...threads],
        env: { ESPALIER_LOG_LEVEL: 'warn', ESPALIER_REGISTRY: 'memory:' },
      }
    },
  }
}

/** True where processes can be bound to cores. */
export function canPin(): boolean {
  return spawnSync('taskset', ['-c', '0', 'true'], { stdio: 'ignore' }).status === 0
}

function pinned(core: number | undefined): string[] {
  return core === undefined ? [] : ['taskset', '-c', String(core)]
}
