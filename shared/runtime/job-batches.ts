import type { JobOutput } from './job-output.ts'
import type { Job, JobMode } from './protocol.ts'

/** Rows of a job that share a graph run: same outputs, same projection, same memories. */
export interface Batch {
  readonly mode: JobMode
  readonly members: readonly number[]
}

/** How one input of a job is to be treated. */
export function modeAt(job: Job, index: number): JobMode {
  return job.modes[job.modeOf[index] as number] as JobMode
}

/** The inputs that have not failed yet, by how they run. */
export function splitByMode(job: Job, output: JobOutput): Batch[] {
  const batches = new Map<string, { mode: JobMode; members: number[] }>()
  for (let index = 0; index < job.inputs.length; index++) {
    if (output.hasFailed(index)) continue
    const mode = modeAt(job, index)
    const key = `${mode.normalize} ${mode.projection} ${mode.memories}`
    const batch = batches.get(key)
    if (batch) batch.members.push(index)
    else batches.set(key, { mode, members: [index] })
  }
  return [...batches.values()]
}
