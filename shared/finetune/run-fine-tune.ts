import { createAdamW } from './adamw.ts'
import { toAffineHead } from './affine-head.ts'
import { blendTuned } from './blend.ts'
import { drawBatches } from './draw-batches.ts'
import { createEncoderLearner } from './encoder-learner.ts'
import { embedRows } from './evaluate-rows.ts'
import { cancelledEarly, type FineTuneTools } from './fine-tune-tools.ts'
import type { FineTuneProgress, FineTuneResult, FineTuneSettings } from './fine-tune-types.ts'
import { fitHead } from './fit-head.ts'
import { createGraphFolder } from './graph-folder.ts'
import { createJudge } from './judge.ts'
import { openMemoryBook } from './memory-book.ts'
import { prepareTraining } from './prepare-training.ts'
import type { FineTuneInit } from './protocol.ts'
import { createReleaseBuffers } from './release-buffers.ts'
import { type LoopResult, runTraining } from './training-loop.ts'
import type { AffineHead } from './types.ts'

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
