import { embedRows } from '../evaluate/evaluate-rows.ts'
import { createJudge } from '../evaluate/judge.ts'
import { cancelledEarly, type FineTuneTools } from '../fine-tune-tools.ts'
import { toAffineHead } from '../graph/affine-head.ts'
import { createGraphFolder } from '../graph/graph-folder.ts'
import type { AffineHead } from '../graph/types.ts'
import { blendTuned } from '../interpolate/interpolate.ts'
import { openMemoryBook } from '../memory/memory-book.ts'
import { createAdamW } from '../optimise/adamw.ts'
import { fitHead } from '../optimise/fit-head.ts'
import { createReleaseBuffers } from '../optimise/release-buffers.ts'
import { type LoopResult, runTraining } from '../optimise/training-loop.ts'
import { createEncoderLearner } from '../optimise/training-session.ts'
import type { FineTuneInit } from '../protocol.ts'
import { drawBatches } from '../rows/draw-batches.ts'
import type { FineTuneProgress, FineTuneResult, FineTuneSettings } from '../types.ts'
import { prepareTraining } from './prepare-training.ts'

/**
 * Fine-tunes in the calling thread, which ONNX Runtime blocks: for workers.
 * @throws EspalierError as `fineTune` does
 */
export async function runFineTune(
  request: FineTuneInit['request'],
  tools: FineTuneTools,
): Promise<FineTuneResult> {
  const { settings } = request
  const startMs = tools.clock.monotonicMs()
  const book = openMemoryBook()
  const folder = await createGraphFolder(settings.threads)
  try {
    const prepared = await prepareTraining(request, { ...tools, folder, book })
    const { base, options, train, timings } = prepared
    const judge = createJudge(prepared, settings)
    const adamw = createAdamW(prepared.training.parameters)
    const parts = {
      training: prepared.training,
      session: prepared.trainingSession,
      adamw,
      settings,
      release: createReleaseBuffers(),
      afterRun: () => book.note(),
    }
    const learner = createEncoderLearner({
      ...parts,
      ...train,
      evaluate: (inputs) => judge.evaluate(inputs),
    })
    const batches = drawBatches(train, settings)
    const budgetMs = shareBudget(settings, tools.clock.monotonicMs() - startMs)
    const loop = await runTraining(
      learner,
      {
        ...settings,
        stepsPerEpoch: batches.perEpoch,
        nextBatch: () => batches.next(),
        budgetMs,
      },
      {
        ...tools,
        onProgress: (progress) =>
          tools.onProgress({ ...progress, epoch: progress.step / batches.perEpoch }),
      },
    )
    if (loop.stopped === 'cancelled' && loop.steps === 0) throw cancelledEarly()
    const judgeStart = tools.clock.monotonicMs()
    const { inputs } = learner
    const { bestStep } = loop
    const blend = await blendTuned({ ...parts, prepared, inputs, tools, bestStep, budgetMs })
    const values = learner.values()
    const own = blend.alpha === 1 ? toAffineHead(options, values) : null
    const several = settings.loss.kind === 'binary-cross-entropy'
    const head: AffineHead =
      own ??
      (await fitHead(await embedRows(prepared.scorer, inputs, train), train.rows, {
        ...settings,
        several,
      }))
    const writeStart = tools.clock.monotonicMs()
    tools.onProgress(writingProgress(loop, batches.perEpoch))
    const encoder = new Map([...values].filter(([name]) => name.startsWith('layers.')))
    await base.write(request.outputFolder, encoder)
    return {
      // A rehearsal that is broken off ends like a training that is.
      stopped: tools.isCancelled() ? 'cancelled' : loop.stopped,
      steps: loop.steps,
      bestStep,
      blend,
      epochs: loop.steps / batches.perEpoch,
      curve: loop.curve,
      trainedParameters: adamw.count,
      truncated: base.truncated,
      memory: { predictedBytes: prepared.memory.total, peakBytes: book.peakBytes },
      timings: {
        ...timings,
        trainMs: loop.trainMs,
        evaluateMs: loop.evaluateMs,
        judgeMs: writeStart - judgeStart,
        writeMs: tools.clock.monotonicMs() - writeStart,
      },
      head,
    }
  } finally {
    await folder.close()
  }
}

/** Milliseconds for each training, rehearsals included; what is spent already counts. */
function shareBudget(
  { budgetMs, rehearsals, alpha }: FineTuneSettings,
  spentMs: number,
): number | null {
  if (budgetMs === null) return null
  return (budgetMs - spentMs) / (alpha === null ? rehearsals + 1 : 1)
}

function writingProgress(loop: LoopResult, stepsPerEpoch: number): FineTuneProgress {
  return {
    phase: 'writing',
    step: loop.steps,
    steps: loop.steps,
    epoch: loop.steps / stepsPerEpoch,
    loss: loop.curve.at(-1)?.trainLoss ?? null,
    validationAccuracy: loop.curve.at(-1)?.validationAccuracy ?? null,
    learningRate: 0,
    secondsLeft: null,
  }
}
