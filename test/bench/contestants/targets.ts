import type { BenchContext } from '../context.ts'
import type { Address } from '../http/address.ts'
import { findListener } from '../lib/process-memory.ts'
import { PRECISIONS, type ServerChoice } from './own.ts'
import { startServer } from './server-process.ts'

/** A server under load, ours or another's. */
export interface Target {
  readonly name: string
  readonly address: Address
  /** Its process; null where it cannot be told. */
  readonly pid: number | null
  stop(): Promise<void>
}

/**
 * How to start the servers to measure: ours, float32 first as the baseline of vectors, then the peers that run
 * already, which are left running.
 */
export function targetStarts(
  context: BenchContext,
  choice: Omit<ServerChoice, 'precision'> = {},
): (() => Promise<Target>)[] {
  const own = [...PRECISIONS].reverse().map((precision) => {
    const spec = context.own.server({ ...choice, precision })
    const start = () => {
      context.say(`starting the server ${spec.name}`)
      return startServer(spec)
    }
    return { name: spec.name, start }
  })
  const others = context.servers.map(({ name, address }) => ({
    name,
    start: async () => {
      return { name, address, pid: findListener(address.port), stop: async () => {} }
    },
  }))
  return [...own, ...others].filter(({ name }) => context.wants(name)).map(({ start }) => start)
}
