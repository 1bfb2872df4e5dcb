import { AnswerCounts } from './answer-counts.ts'
import { type DriftBaseline, type DriftResult, testDrift } from './test-drift.ts'

/** A window begins this long after the last one began, at the earliest: no more tests than hours. */
export const WINDOW_MS = 3_600_000
/** A request adds at most so much of a window: answers of one request are often alike. */
const LARGEST_PART = 0.1

/** What is known of drift in the answers of one version. */
export interface DriftState {
  /** Answers in the window that is being filled. */
  readonly answers: number
  /** Windows that were tested, and those of them that gave an alarm. */
  readonly windows: number
  readonly alarms: number
  /** Of the last window; null before the first. */
  readonly last: DriftResult | null
}

/**
 * Tests the answers of one version in windows that do not overlap, in bounded memory. A window is full with `size`
 * answers and holds the first ones since it began, so that a busy process tests as often as a quiet one at most.
 */
export class DriftWindow {
  readonly #size: number
  #window: AnswerCounts | null = null
  #beganMs = Number.NEGATIVE_INFINITY
  #windows = 0
  #alarms = 0
  #last: DriftResult | null = null

  constructor(size: number) {
    this.#size = size
  }

  /**
   * Adds the answers of one request, at most a tenth of a window.
   * @returns the result where that fills the window; null otherwise
   */
  add(answers: AnswerCounts, baseline: DriftBaseline, nowMs: number): DriftResult | null {
    if (this.#window === null) {
      if (nowMs - this.#beganMs < WINDOW_MS) return null
      this.#beganMs = nowMs
      this.#window = new AnswerCounts()
    }
    this.#window.merge(answers)
    if (this.#window.answers < this.#size) return null
    const result = testDrift(baseline, this.#window)
    this.#window = null
    if (result === null) return null
    this.#windows++
    if (result.alarm) this.#alarms++
    this.#last = result
    return result
  }

  /** Most answers of one request that go into the window. */
  get largestPart(): number {
    return Math.ceil(this.#size * LARGEST_PART)
  }

  get state(): DriftState {
    return {
      answers: this.#window?.answers ?? 0,
      ...{ windows: this.#windows, alarms: this.#alarms, last: this.#last },
    }
  }
}
