/**
 * The pixels that may be decoded at the same moment, by all workers of all encoders of a process: a decoded image takes
 * several bytes for each, however small its file is.
 */
export class PixelBudget {
  readonly #limit: number
  readonly #waiting = new Set<() => void>()
  #used = 0

  /** @param limit pixels; a single image of more is decoded alone */
  constructor(limit: number) {
    this.#limit = limit
  }

  /** Pixels that are being decoded. */
  get used(): number {
    return this.#used
  }

  /**
   * Takes pixels for a job, where they are to be had.
   * @param onRoom called once, when asking again makes sense, where they are not
   */
  take(pixels: number, onRoom: () => void): boolean {
    if (pixels > 0 && this.#used > 0 && this.#used + pixels > this.#limit) {
      this.#waiting.add(onRoom)
      return false
    }
    this.#used += pixels
    return true
  }

  /** Gives back what a job has taken, and wakes who waits, in order. */
  give(pixels: number): void {
    this.#used -= pixels
    if (pixels === 0) return
    const waiting = [...this.#waiting]
    this.#waiting.clear()
    for (const onRoom of waiting) onRoom()
  }
}
