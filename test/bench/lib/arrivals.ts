import { createRandom } from '../../../shared/lib/maths/random.ts'

/**
 * Arrival times in milliseconds of a Poisson process: independent exponential gaps with mean 1000 / `perSecond`,
 * until `durationMs`. The same seed gives the same times.
 */
export function poissonArrivals(perSecond: number, durationMs: number, seed: number): number[] {
  const random = createRandom(seed)
  const arrivals: number[] = []
  let time = 0
  for (;;) {
    time += (-1000 * Math.log(1 - random.next())) / perSecond
    if (time >= durationMs) return arrivals
    arrivals.push(time)
  }
}
