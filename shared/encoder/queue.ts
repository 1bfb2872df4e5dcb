import { planJob, type Take, type Waiting } from './plan.ts'

/** A request in the queue; the queue moves `next` as inputs are taken. */
export interface Queueable extends Waiting {
  next: number
  readonly enqueuedAt: number
}

/** Inputs of one request that were taken: positions `from` to `from + count` of its order. */
export interface Taken<R> {
  readonly request: R
  readonly from: number
  readonly count: number
}

/** Waiting inputs of all requests in order of arrival, counted in estimated tokens. */
export class RequestQueue<R extends Queueable> {
  #requests: R[] = []
  #tokens = 0
  #inputs = 0

  get tokens(): number {
    return this.#tokens
  }

  get inputs(): number {
    return this.#inputs
  }

  add(request: R): void {
    this.#requests.push(request)
    this.#count(request, 1)
  }

  /** Takes the inputs of the next job out of the queue; empty when nothing waits. */
  take(budget: number): Taken<R>[] {
    const taken = planJob(this.#requests, budget).map((take) => this.#advance(take))
    if (taken.some(({ request }) => request.next >= request.estimates.length)) {
      this.#requests = this.#requests.filter(({ next, estimates }) => next < estimates.length)
    }
    return taken
  }

  /** Drops what still waits of a request. */
  remove(request: R): void {
    const at = this.#requests.indexOf(request)
    if (at < 0) return
    this.#requests.splice(at, 1)
    this.#count(request, -1)
  }

  /** Removes and returns requests of which nothing was taken since before the given time. */
  removeOlderThan(time: number): R[] {
    const expired: R[] = []
    for (const request of this.#requests) {
      if (request.enqueuedAt >= time) break
      if (request.next === 0) expired.push(request)
    }
    for (const request of expired) this.remove(request)
    return expired
  }

  /** Removes and returns everything. */
  clear(): R[] {
    const all = this.#requests
    this.#requests = []
    this.#tokens = 0
    this.#inputs = 0
    return all
  }

  #advance({ request: position, count }: Take): Taken<R> {
    const request = this.#requests[position] as R
    const from = request.next
    this.#count(request, -1)
    request.next += count
    this.#count(request, 1)
    return { request, from, count }
  }

  #count(request: R, sign: 1 | -1): void {
    const { estimates, next } = request
    let tokens = 0
    for (let i = next; i < estimates.length; i++) tokens += estimates[i] as number
    this.#tokens += sign * tokens
    this.#inputs += sign * (estimates.length - next)
  }
}
