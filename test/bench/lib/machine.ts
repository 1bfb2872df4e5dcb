import { availableParallelism, cpus, loadavg, totalmem } from 'node:os'

/** The machine under a measurement. */
export interface Machine {
  readonly cpu: string
  readonly cores: number
  readonly memoryGib: number
  readonly node: string
  readonly platform: string
  /** Average load over the last minute, before the first pass. */
  readonly load: number
}

/** Beyond this load before the first pass somebody else is using the machine. */
const MAX_LOAD_PER_CORE = 0.25

/** Describes this machine now. */
export function describeMachine(): Machine {
  return {
    cpu: cpus()[0]?.model.trim() ?? 'unknown CPU',
    cores: availableParallelism(),
    memoryGib: Math.round(totalmem() / 2 ** 30),
    node: process.version,
    platform: `${process.platform}-${process.arch}`,
    load: Number((loadavg()[0] ?? 0).toFixed(2)),
  }
}

/** True where others used the machine before the first pass. */
export function wasBusy({ load, cores }: Machine): boolean {
  return load > MAX_LOAD_PER_CORE * cores
}

/** The machine in one line. */
export function machineLine(machine: Machine): string {
  const { cpu, cores, memoryGib, node, platform, load } = machine
  return `${cores} cores, ${cpu}, ${memoryGib} GiB, ${platform}, Node ${node}, load before ${load}`
}
