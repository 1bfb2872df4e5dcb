import type { Address } from './address.ts'

/** What the bench and the process that loads servers for it say to each other. */

export type ClientRequest =
  | {
      /** Each connection sends its next request when the last is answered. */
      readonly kind: 'closed'
      readonly address: Address
      /** JSON bodies for `POST /embed`, each sent once. */
      readonly bodies: readonly string[]
      readonly connections: number
    }
  | {
      /** Requests are sent at their times, whatever became of those before. */
      readonly kind: 'open'
      readonly address: Address
      /** JSON bodies, used in turn. */
      readonly bodies: readonly string[]
      /** Milliseconds from the start. */
      readonly arrivalsMs: readonly number[]
      /** More unanswered requests than this end the run. */
      readonly maxInFlight: number
      /** How long each caller waits, milliseconds; absent: for as long as it takes. */
      readonly patienceMs?: number
    }

export type ClientReply =
  | {
      readonly kind: 'closed'
      readonly ms: number
      /** From sending a request to the last byte of its response. */
      readonly latenciesMs: readonly number[]
      readonly bytes: number
    }
  | {
      readonly kind: 'open'
      /** From the time a request was due, not from when it was sent, to the last byte of its response. */
      readonly latenciesMs: readonly number[]
      /** Requests that were refused, or cut off. */
      readonly refused: number
      /** Requests that were let in and given up at the end of their caller's patience (504). */
      readonly late: number
      /** The server fell so far behind that the run was ended. */
      readonly overrun: boolean
    }
