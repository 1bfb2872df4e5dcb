import type { Clock } from '../../lib/clock.ts'
import type { Evaluation } from '../evaluate/evaluate-rows.ts'
import type { CurvePoint, FineTunePhase, StopReason } from '../types.ts'
import { createBestEvaluation } from './early-stopping.ts'
import { createSchedule, type Schedule } from './schedule.ts'

/** Weight of the newest loss in the mean that progress shows. */
const LOSS_SHARE = 0.1
/** Steps that the first and the latest mean loss are taken over. */
const LOSS_WINDOW = 20
/** A mean loss this many times the first one does not come back. */
const DIVERGED_FACTOR = 3

/** What is trained, without how: one batch at a time, weights kept and put back. */
export interface TrainingSession<Batch> {
  /** Computes loss and gradient norm, and changes the weights unless one of them is not finite. */
  step(batch: Batch, factor: number): Promise<{ readonly loss: number; readonly norm: number }>
  /** Null without validation rows. */
  evaluate(): Promise<Evaluation | null>
  /** Keeps the present weights in place of those kept before. */
  keep(): void
  restore(): void
}

/** How long to train, and when to look. */
export interface LoopOptions<Batch> {
  readonly epochs: number
  readonly stepsPerEpoch: number
  readonly warmup: number
  readonly evaluationsPerEpoch: number
  readonly patience: number | null
  /** Milliseconds from now. */
  readonly budgetMs: number | null
  /** Peak learning rate, for the curve. */
  readonly learningRate: number
  nextBatch(): Batch
}

/** What the loop needs of its surroundings. */
export interface LoopTools {
  readonly clock: Clock
  isCancelled(): boolean
  onProgress(progress: LoopProgress): void
}

/** Where the loop stands. */
export interface LoopProgress {
  readonly phase: Extract<FineTunePhase, 'training' | 'evaluating'>
  readonly step: number
  readonly steps: number
  readonly loss: number | null
  readonly validationAccuracy: number | null
  readonly learningRate: number
  readonly secondsLeft: number | null
}

/** How the loop ended; the session has the best weights. */
export interface LoopResult {
  readonly stopped: StopReason
  readonly steps: number
  readonly bestStep: number
  readonly curve: readonly CurvePoint[]
  readonly trainMs: number
  readonly evaluateMs: number
}

/**
 * Trains until the schedule ends, nothing gets better, time is over, somebody cancels or the loss diverges,
 * and puts the best weights back. Cancelling is heeded between steps.
 */
export async function runTraining<Batch>(
  session: TrainingSession<Batch>,
  options: LoopOptions<Batch>,
  tools: LoopTools,
): Promise<LoopResult> {
  const loop = new Loop(session, options, tools)
  return await loop.run()
}

class Loop<Batch> {
  readonly #session: TrainingSession<Batch>
  readonly #options: LoopOptions<Batch>
  readonly #tools: LoopTools
  readonly #schedule: Schedule
  readonly #evaluateEvery: number
  readonly #best = createBestEvaluation()
  readonly #curve: CurvePoint[] = []
  readonly #losses: number[] = []
  #step = 0
  #evaluatedAt = -1
  #shownLoss: number | null = null
  #accuracy: number | null = null
  #startMs = 0
  #trainMs = 0
  #evaluateMs = 0

  constructor(session: TrainingSession<Batch>, options: LoopOptions<Batch>, tools: LoopTools) {
    this.#session = session
    this.#options = options
    this.#tools = tools
    const { epochs, stepsPerEpoch, evaluationsPerEpoch } = options
    this.#evaluateEvery = Math.max(1, Math.ceil(stepsPerEpoch / evaluationsPerEpoch))
    this.#schedule = createSchedule({
      planned: Math.round(epochs * stepsPerEpoch),
      warmup: options.warmup,
      evaluateEvery: this.#evaluateEvery,
      budgetMs: options.budgetMs,
    })
  }

  async run(): Promise<LoopResult> {
    this.#startMs = this.#tools.clock.monotonicMs()
    await this.#evaluate()
    const stopped = await this.#train()
    if (stopped !== 'diverged') await this.#evaluate()
    this.#session.restore()
    return {
      stopped,
      steps: this.#step,
      bestStep: this.#best.step,
      curve: this.#curve,
      trainMs: this.#trainMs,
      evaluateMs: this.#evaluateMs,
    }
  }

  async #train(): Promise<StopReason> {
    const { patience, nextBatch } = this.#options
    for (;;) {
      if (this.#step >= this.#schedule.total) return this.#schedule.cut ? 'budget' : 'finished'
      if (this.#tools.isCancelled()) return 'cancelled'
      const started = this.#tools.clock.monotonicMs()
      const factor = this.#schedule.factor(this.#step)
      const { loss, norm } = await this.#session.step(nextBatch(), factor)
      const ms = this.#tools.clock.monotonicMs() - started
      this.#trainMs += ms
      this.#schedule.noteStep(this.#step, ms)
      this.#step++
      this.#losses.push(loss)
      if (!Number.isFinite(loss) || !Number.isFinite(norm) || this.#hasDiverged()) return 'diverged'
      this.#shownLoss =
        this.#shownLoss === null ? loss : this.#shownLoss + LOSS_SHARE * (loss - this.#shownLoss)
      this.#report('training')
      if (this.#step % this.#evaluateEvery === 0 && this.#step < this.#schedule.total) {
        await this.#evaluate()
        if (patience !== null && this.#best.waited >= patience) return 'patience'
      }
    }
  }

  #hasDiverged(): boolean {
    if (this.#losses.length < 2 * LOSS_WINDOW) return false
    const first = meanOf(this.#losses.slice(0, LOSS_WINDOW))
    return meanOf(this.#losses.slice(-LOSS_WINDOW)) > DIVERGED_FACTOR * first
  }

  async #evaluate(): Promise<void> {
    if (this.#evaluatedAt === this.#step) return
    this.#report('evaluating')
    const { clock } = this.#tools
    const started = clock.monotonicMs()
    const evaluation = await this.#session.evaluate()
    const since = this.#losses.slice(Math.max(0, this.#evaluatedAt))
    this.#evaluatedAt = this.#step
    if (this.#best.note(this.#step, evaluation)) this.#session.keep()
    const ended = clock.monotonicMs()
    this.#evaluateMs += ended - started
    this.#schedule.noteEvaluation(ended - started)
    this.#accuracy = evaluation?.accuracy ?? null
    this.#curve.push({
      step: this.#step,
      seconds: (ended - this.#startMs) / 1000,
      trainLoss: since.length === 0 ? null : meanOf(since),
      validationLoss: evaluation?.loss ?? null,
      validationAccuracy: this.#accuracy,
      learningRate: this.#rate(),
    })
  }

  #report(phase: LoopProgress['phase']): void {
    const left = this.#schedule.remainingMs(this.#step)
    this.#tools.onProgress({
      phase,
      step: this.#step,
      steps: this.#schedule.total,
      loss: this.#shownLoss,
      validationAccuracy: this.#accuracy,
      learningRate: this.#rate(),
      secondsLeft: left === null ? null : left / 1000,
    })
  }

  #rate(): number {
    return this.#options.learningRate * this.#schedule.factor(this.#step)
  }
}

function meanOf(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length
}
