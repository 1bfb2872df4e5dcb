import type { EncoderInfo } from '../../encoder/types.ts'
import { encodeHead } from '../../head/encode.ts'
import { EspalierError } from '../../lib/errors.ts'
import { formatModelVersion } from '../../lib/text/model-address.ts'
import { checkModelName } from '../../registry/records/names.ts'
import { checkTargetKind, wasPromoted } from '../../versions/publish-model.ts'
import { checkChampion, promoteVersion } from '../heads/champion.ts'
import { judgeHead } from '../heads/evaluation.ts'
import { checkAllReadable, inputOf } from '../heads/leave-out-unreadable.ts'
import { publishHead } from '../heads/publish.ts'
import { assembleReport } from '../heads/report.ts'
import type {
  Promotion,
  TrainHeadDeps,
  TrainHeadRequest,
  TrainHeadResult,
} from '../heads/request.ts'
import { embedForJob } from '../rows/embed-for-job.ts'
import {
  type AdaptSettings,
  compareMethods,
  loadAdapting,
  type MethodRow,
  predictTarget,
} from './compare.ts'
import { type DomainsRequest, readDomains } from './data.ts'

/** One adaptation of texts or images; what it shares with a training means the same. */
export interface AdaptHeadRequest
  extends AdaptSettings,
    DomainsRequest,
    Pick<
      TrainHeadRequest,
      | 'name'
      | 'promote'
      | 'reason'
      | 'by'
      | 'idempotencyKey'
      | 'description'
      | 'dryRun'
      | 'quoteTexts'
      | 'command'
    > {}

export interface AdaptHeadResult extends TrainHeadResult {
  readonly methods: readonly MethodRow[]
  readonly shift: number
  readonly predictions: Awaited<ReturnType<typeof predictTarget>>
}

const QUOTES = 3

/**
 * Adapts a classifier to texts of another domain and publishes it as a new version, as training does.
 * @throws EspalierError `invalid_data`, `invalid_name`, `wrong_model_kind`, and what encoder and registry throw
 */
export async function adaptHead(
  deps: TrainHeadDeps,
  request: AdaptHeadRequest,
): Promise<AdaptHeadResult> {
  const { name, seed, onProgress, signal } = request
  checkModelName(name)
  await checkTargetKind(deps.registry, name, 'classifier', signal)
  const timings: { stage: string; milliseconds: number }[] = []
  let startedMs = deps.clock.monotonicMs()
  const finish = (stage: string): void => {
    const nowMs = deps.clock.monotonicMs()
    timings.push({ stage, milliseconds: nowMs - startedMs })
    startedMs = nowMs
  }
  const { data, target, truth } = await readDomains(request)
  finish('reading')
  const inputs = [...data.train.map(inputOf), ...(target.images ?? target.texts)]
  const check = (encoder: EncoderInfo) => {
    if (name !== encoder.name) return
    const model = formatModelVersion(encoder)
    const message = `${model} is the encoder itself; give the classifier another --name`
    throw new EspalierError('wrong_model_kind', message)
  }
  const embedded = await embedForJob(deps, inputs, { check, onProgress, signal })
  finish('embedding')
  checkAllReadable(inputs, embedded.unreadable)
  const { encoder } = embedded
  const { dimension: columns } = encoder
  const end = data.train.length * columns
  const indexOf = new Map(data.classes.map((label, index) => [label, index]))
  const sets = {
    labels: data.classes,
    source: {
      name: request.source.name,
      features: { data: embedded.embeddings.subarray(0, end), rows: data.train.length, columns },
      targets: Int32Array.from(data.train, ({ labels }) => indexOf.get(labels[0]!)!),
    },
    target: {
      name: request.target.name,
      features: { data: embedded.embeddings.subarray(end), rows: target.texts.length, columns },
      truth,
    },
  }
  const kernels = await deps.openKernels()
  try {
    const tools = await loadAdapting()
    const { family } = encoder
    const compared = await compareMethods(tools, kernels, sets, { ...request, family })
    finish('adapting')
    const { chosen, methods, shift } = compared
    const { head } = chosen.trained
    const trained = { ...chosen.trained, candidates: methods.map(toCandidate) }
    const judging = { tools, kernels, seed, quotes: request.quoteTexts ? QUOTES : 0 }
    const vectors = takeKnown(sets.target.features.data, truth, columns)
    const judgement =
      data.test.length > 0 ? await judgeHead(head, data.test, vectors, judging) : null
    const { targets, features } = sets.source
    const fittedSet = { embeddings: features.data, dimension: columns, labels: data.classes }
    const fitted = await tools.evaluateHead(
      head,
      { ...fittedSet, targets, labelSets: null },
      kernels,
    )
    const correct = judgement?.correct ?? new Uint8Array(0)
    const contender = { head, test: data.test, embeddings: vectors, correct }
    const champion = await checkChampion(deps.registry, name, contender, {
      ...judging,
      signal,
      fix: 'pass --target-labels COLUMN',
    })
    finish('evaluation')
    const bytes = encodeHead(head)
    const report = assembleReport({
      request,
      data,
      encoder,
      trained,
      judgement,
      fittedAccuracy: fitted.accuracy,
      comparison: champion.comparison,
      headBytes: bytes.length,
      timings,
      createdMs: deps.clock.wallMs(),
    })
    const files = tools.renderReport(report)
    const predictions = await predictTarget(chosen, sets.target, kernels)
    signal?.throwIfAborted()
    const { version, created } = request.dryRun
      ? { version: null, created: false }
      : await publishHead(deps.registry, {
          head,
          bytes,
          trained,
          report,
          files,
          data,
          request: { ...request, folds: FOLDS, testFraction: 0, balance: false, memory: false },
          target: {
            targetHash: target.sha256,
            targetRows: target.texts.length,
            ridge: request.ridge,
          },
        })
    let promotion: Promotion = { status: 'none' }
    if (version !== null && request.promote !== 'no') {
      const again = !created && (await wasPromoted(deps.registry, version, signal))
      const { by, reason } = request
      const force = request.promote === 'always'
      promotion = again
        ? { status: 'promoted-before' }
        : await promoteVersion(deps.registry, version, champion, { force, by, reason, signal })
    }
    const { cached, computed, truncated } = embedded
    return {
      version,
      created,
      report,
      files,
      warnings: data.warnings,
      promotion,
      embeddings: { cached, computed, truncated },
      methods,
      shift,
      predictions,
    }
  } finally {
    await kernels.close()
  }
}

/** Parts of the cross-validation that sets the temperature. */
const FOLDS = 5

function takeKnown(data: Float32Array, truth: Int32Array, columns: number): Float32Array {
  const known = [...truth.keys()].filter((row) => truth[row]! >= 0)
  const out = new Float32Array(known.length * columns)
  known.forEach((row, at) => {
    out.set(data.subarray(row * columns, (row + 1) * columns), at * columns)
  })
  return out
}

function toCandidate({ method, sourceAccuracy, reverse, target, moved }: MethodRow) {
  return {
    name: method,
    accuracy: sourceAccuracy ?? Number.NaN,
    nll: Number.NaN,
    parameters: {
      reverseValidation: reverse,
      ...(target && { targetAccuracy: target.accuracy }),
      ...(moved > 0 && { movedRows: moved }),
    },
  }
}
