/** Where a process stands between its start and its end. */
export type ReadinessStatus = 'starting' | 'ready' | 'stopping'

/** Tells probes and load balancers whether requests are welcome. */
export interface Readiness {
  status(): ReadinessStatus
  /** Encoder loaded and self-test passed. */
  markReady(): void
  /** No way back: the process finishes what it has accepted and ends. */
  markStopping(): void
}

/** Starts out as `starting`. */
export function createReadiness(): Readiness {
  let status: ReadinessStatus = 'starting'
  return {
    status: () => status,
    markReady() {
      if (status === 'starting') status = 'ready'
    },
    markStopping() {
      status = 'stopping'
    },
  }
}
