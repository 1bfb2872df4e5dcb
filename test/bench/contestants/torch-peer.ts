import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import type { StepOptions, StepShape } from '../finetune/protocol.ts'
import { BUILTIN_FOLDER } from './own.ts'

/** Medians over some training steps. */
export interface StepTimes {
  readonly passMs: number
  readonly stepMs: number
}

/** A process that takes training steps. */
export interface StepTaker {
  readonly detail: string
  take(shape: StepShape, count: number): Promise<StepTimes>
  stop(): Promise<void>
}

const KEPT_STDERR = 4000

/**
 * Starts test/bench/peers/finetune-torch.py.
 * @param python an interpreter that has torch and transformers
 * @throws Error with the peer's own words when it fails
 */
export async function startTorch(
  python: string,
  root: string,
  options: Pick<StepOptions, 'threads' | 'layers'>,
): Promise<StepTaker> {
  const script = join(root, 'test', 'bench', 'peers', 'finetune-torch.py')
  const args = [script, join(root, BUILTIN_FOLDER), JSON.stringify(options)]
  const child = spawn(python, args, { stdio: ['pipe', 'pipe', 'pipe'] })
  let said = ''
  child.stderr.on('data', (chunk: Buffer) => {
    said = (said + chunk.toString()).slice(-KEPT_STDERR)
  })
  const exited = once(child, 'exit').then(([code]): never => {
    throw new Error(`${python} ended with code ${code}: ${said.trim() || 'no message'}`)
  })
  exited.catch(() => {})
  const lines = createInterface({ input: child.stdout })
  const receive = async <T>(): Promise<T> => {
    const [line] = await Promise.race([once(lines, 'line'), exited])
    return JSON.parse(line as string) as T
  }
  const { detail } = await receive<{ detail: string }>()
  return {
    detail,
    async take(shape, count) {
      const answer = receive<StepTimes>()
      child.stdin.write(`${JSON.stringify({ ...shape, count })}\n`)
      return await answer
    },
    async stop() {
      child.stdin.end()
      await exited.catch(() => {})
    },
  }
}
