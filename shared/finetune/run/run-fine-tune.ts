import { createEvaluator, embedRows } from '../evaluate/evaluate-rows.ts'
import { createGraphFolder } from '../graph/graph-folder.ts'
import type { AffineHead } from '../graph/types.ts'
import { interpolateTuned } from '../interpolate/interpolate.ts'
import { PeakMemory } from '../memory/resources.ts'
import { createAdamW } from '../optimise/adamw.ts'
import { fitHead, toAffineHead } from '../optimise/output-layer.ts'
import { type LoopResult, runTraining } from '../optimise/training-loop.ts'
import { createReleaseBuffers, createTrainingSession } from '../optimise/training-session.ts'
import { cancelledEarly } from '../progress.ts'
import { drawBatches } from '../rows/batches.ts'
import type {
  FineTuneProgress,
  FineTuneResult,
  FineTuneSettings,
  FineTuneTools,
  WorkerRequest,
} from '../types.ts'
import { prepareTraining } from './prepare-training.ts'

/**
 * Fine-tunes in the calling thread, which ONNX Runtime blocks: for workers.
 * @throws EspalierError as `fineTune` does
 */
export async function runFineTune(
  request: WorkerRequest,
  tools: FineTuneTools,
): Promise<FineTuneResult> {
  const { settings } = request
  const startMs = tools.clock.monotonicMs()
  const peakMemory = new PeakMemory()
  const folder = await createGraphFolder(settings.threads)
  try {
    const prepared = await prepareTraining(request, { ...tools, folder, peakMemory })
    const { base, options, train, timings } = prepared
    const evaluator = createEvaluator(prepared, settings)
    const adamw = createAdamW(prepared.training.parameters)
    const parts = {
      training: prepared.training,
      session: prepared.graphSession,
      adamw,
      settings,
      release: createReleaseBuffers(),
      afterRun: () => peakMemory.sample(),
    }
    const session = createTrainingSession({
      ...parts,
      ...train,
      evaluate: (inputs) => evaluator.evaluate(inputs),
    })
    const batches = drawBatches(train, settings)
    const budgetMs = shareBudget(settings, tools.clock.monotonicMs() - startMs)
    const loop = await runTraining(
      session,
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
    const interpolateStart = tools.clock.monotonicMs()
    const { inputs } = session
    const { bestStep } = loop
    const interpolation = await interpolateTuned({
      ...parts,
      prepared,
      inputs,
      tools,
      bestStep,
      budgetMs,
    })
    const values = session.values()
    const own = interpolation.alpha === 1 ? toAffineHead(options, values) : null
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
      // A cancelled cross-validation ends like a cancelled training.
      stopped: tools.isCancelled() ? 'cancelled' : loop.stopped,
      steps: loop.steps,
      bestStep,
      blend: interpolation,
      epochs: loop.steps / batches.perEpoch,
      curve: loop.curve,
      trainedParameters: adamw.count,
      truncated: base.truncated,
      memory: { predictedBytes: prepared.memory.total, peakBytes: peakMemory.peakBytes },
      timings: {
        ...timings,
        trainMs: loop.trainMs,
        evaluateMs: loop.evaluateMs,
        judgeMs: writeStart - interpolateStart,
        writeMs: tools.clock.monotonicMs() - writeStart,
      },
      head,
    }
  } finally {
    await folder.close()
  }
}

/** Milliseconds for each training, those of the folds included; what is spent already counts. */
function shareBudget({ budgetMs, folds, alpha }: FineTuneSettings, spentMs: number): number | null {
  if (budgetMs === null) return null
  return (budgetMs - spentMs) / (alpha === null ? folds + 1 : 1)
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
