import { type ChildSpec, forkChild } from './child.ts'
import type { EngineReply, EngineRequest } from './engine-protocol.ts'

/** A running engine in a process of its own. */
export interface EngineProcess {
  readonly name: string
  readonly detail: string
  readonly pid: number
  /** Milliseconds from spawning to the first vector. */
  readonly startMs: number
  /** Encodes all texts in one call. */
  encode(texts: readonly string[]): Promise<Extract<EngineReply, { kind: 'encode' }>>
  /** Encodes one text after the other; milliseconds of each. */
  encodeEach(texts: readonly string[]): Promise<readonly number[]>
  stop(): Promise<void>
}

/** Starts an engine and waits for its first vector. @throws Error with the engine's own words */
export async function startEngine(spec: ChildSpec): Promise<EngineProcess> {
  const child = await forkChild<EngineRequest, EngineReply>(spec)
  return {
    name: spec.name,
    detail: child.detail,
    pid: child.pid,
    startMs: child.startMs,
    encode: (texts) => child.ask({ kind: 'encode', texts }, 'encode'),
    async encodeEach(texts) {
      return (await child.ask({ kind: 'each', texts }, 'each')).latenciesMs
    },
    stop: child.stop,
  }
}
