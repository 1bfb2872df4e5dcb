import type { OwnContestants } from './contestants/own.ts'
import type { PeerServer, PeerStart } from './contestants/server-peers.ts'
import type { TransformersSpec } from './contestants/transformers-peer.ts'
import type { TextCounts, Workload } from './lib/workloads.ts'

/** What every part of the bench is given. */
export interface BenchContext {
  /** The folder that holds `dist/`, `infra/` and `test/`. */
  readonly root: string
  readonly passes: number
  /** Length of the soak. */
  readonly minutes: number
  readonly cores: number
  readonly own: OwnContestants
  readonly transformers: readonly TransformersSpec[]
  readonly servers: readonly PeerServer[]
  /** A Python with PyTorch; null where nobody named one. */
  readonly torch: string | null
  /** An interpreter with Pillow and ONNX Runtime; null where nobody named one. */
  readonly python: string | null
  /** How to start a server of others; null where nobody said. */
  readonly peerStart: PeerStart | null
  /** False for contestants that `--only` leaves out. */
  wants(name: string): boolean
  /** The workloads, cut to the counts unless all texts are asked for. */
  workloads(counts: TextCounts): Workload[]
  /** Tells the person who waits how far it is. */
  say(text: string): void
}

/** Announces passes of something: `embed short: pass 2 of 5`. */
export function passTeller(context: BenchContext, what: string): (pass: number) => void {
  return (pass) => {
    context.say(`${what}: ${pass === 0 ? 'warm-up' : `pass ${pass} of ${context.passes}`}`)
  }
}
