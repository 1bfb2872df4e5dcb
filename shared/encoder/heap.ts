/** A binary heap: the least value first. */
export class Heap<T> {
  readonly #compare: (a: T, b: T) => number
  #values: T[] = []

  /** @param compare negative where `a` comes before `b` */
  constructor(compare: (a: T, b: T) => number) {
    this.#compare = compare
  }

  get size(): number {
    return this.#values.length
  }

  push(value: T): void {
    const values = this.#values
    let at = values.length
    values.push(value)
    while (at > 0) {
      const parent = (at - 1) >> 1
      if (this.#compare(value, values[parent] as T) >= 0) break
      values[at] = values[parent] as T
      at = parent
    }
    values[at] = value
  }

  pop(): T | undefined {
    const values = this.#values
    const least = values[0]
    const last = values.pop()
    if (values.length > 0) this.#sink(0, last as T)
    return least
  }

  /** Drops everything that does not pass. */
  retain(passes: (value: T) => boolean): void {
    this.#values = this.#values.filter(passes)
    for (let at = (this.#values.length >> 1) - 1; at >= 0; at--) {
      this.#sink(at, this.#values[at] as T)
    }
  }

  #sink(start: number, value: T): void {
    const values = this.#values
    let at = start
    for (;;) {
      let child = 2 * at + 1
      if (child >= values.length) break
      const right = child + 1
      if (right < values.length && this.#compare(values[right] as T, values[child] as T) < 0) {
        child = right
      }
      if (this.#compare(value, values[child] as T) <= 0) break
      values[at] = values[child] as T
      at = child
    }
    values[at] = value
  }
}
