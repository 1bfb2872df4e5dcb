import { fork } from 'node:child_process'
import { once } from 'node:events'
import type { EngineReply } from './protocol.ts'

/** How to start one measured engine. */
export interface EngineSpec {
  readonly name: string
  readonly script: string
  readonly args: readonly string[]
}

/** A running engine in a process of its own. */
export interface EngineProcess {
  readonly name: string
  readonly detail: string
  /** Milliseconds from spawning to the first vector. */
  readonly startMs: number
  encode(texts: readonly string[]): Promise<Extract<EngineReply, { kind: 'encoded' }>>
  stop(): Promise<void>
}

/** Starts an engine and waits for its first vector. @throws Error with the engine's own words */
export async function startEngine(spec: EngineSpec): Promise<EngineProcess> {
  const start = performance.now()
  const child = fork(spec.script, spec.args, { stdio: ['ignore', 'ignore', 'pipe', 'ipc'] })
  let said = ''
  child.stderr?.on('data', (chunk: Buffer) => {
    said = (said + chunk.toString()).slice(-4000)
  })
  const exited = once(child, 'exit').then(([code]): never => {
    throw new Error(`${spec.name} ended with code ${code}: ${said.trim() || 'no message'}`)
  })
  exited.catch(() => {})
  const receive = async (): Promise<EngineReply> => {
    const [message] = (await Promise.race([once(child, 'message'), exited])) as [EngineReply]
    if (message.kind === 'failed') throw new Error(`${spec.name}: ${message.message}`)
    return message
  }
  const ready = await receive()
  const startMs = performance.now() - start
  return {
    name: spec.name,
    detail: ready.kind === 'ready' ? ready.detail : '',
    startMs,
    async encode(texts) {
      child.send({ kind: 'encode', texts })
      const message = await receive()
      if (message.kind !== 'encoded') throw new Error(`${spec.name}: unexpected ${message.kind}`)
      return message
    },
    async stop() {
      if (child.exitCode !== null || child.signalCode !== null) return
      child.send({ kind: 'stop' })
      await exited.catch(() => {})
    },
  }
}
