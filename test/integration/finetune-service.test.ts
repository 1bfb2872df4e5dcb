import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createBoot } from '../../functions/boot/boot.ts'
import { openFineTuneParts } from '../../functions/cli/options/job-parts.ts'
import { COMMAND_LINE } from '../../functions/cli/output/report-error.ts'
import { openFileSource } from '../../shared/dataset/source.ts'
import { fineTuneClassifier } from '../../shared/jobs/finetune/finetune.ts'
import type { FineTuneClassifierRequest, FineTuneDeps } from '../../shared/jobs/finetune/request.ts'
import { systemClock } from '../../shared/lib/clock.ts'
import { EspalierError, printError } from '../../shared/lib/errors.ts'
import { formatModelVersion } from '../../shared/lib/text/model-address.ts'
import { print } from '../../shared/lib/wording.ts'
import { publishModel } from '../../shared/versions/publish-model.ts'
import { bundledCli } from '../cli-bundle.ts'
import { makeWordRows, toCsv } from '../fakes/word-questions.ts'

const bundle = bundledCli()
const base = fileURLToPath(new URL('../golden/checkpoints/bert-mean', import.meta.url))
let folder: string

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'espalier-finetune-service-'))
  await writeFile(join(folder, 'words.csv'), toCsv(makeWordRows(270)))
})
afterAll(async () => {
  await rm(folder, { recursive: true, force: true })
})

/** The real parts on a registry of their own. */
async function openParts(registry: string): Promise<FineTuneDeps> {
  const env = {
    ESPALIER_REGISTRY: `file:${join(folder, registry)}`,
    ESPALIER_CACHE: join(folder, 'cache'),
    ESPALIER_ENCODER: base,
    ESPALIER_WORKERS: '1',
    ESPALIER_LOG_LEVEL: 'silent',
  }
  const boot = createBoot({ env, root: pathToFileURL(`${bundle.folder}/`), version: 'test' })
  return openFineTuneParts(boot, { workers: 1, clock: systemClock })
}

async function describeRequest(
  changes: Partial<FineTuneClassifierRequest> = {},
): Promise<FineTuneClassifierRequest> {
  return {
    name: 'words',
    encoderName: 'words-encoder',
    base,
    precision: 'float32',
    data: await openFileSource(join(folder, 'words.csv'), undefined),
    testFraction: 0.2,
    validationFraction: 0.1,
    seed: 42,
    method: 'softmax',
    folds: 3,
    balance: true,
    memory: false,
    promote: 'no',
    dryRun: false,
    quoteTexts: false,
    command: 'espalier finetune',
    reading: {},
    tuning: {
      layers: { kind: 'all' },
      labelSmoothing: 0.1,
      epochs: 4,
      learningRate: 0.005,
      headLearningRate: 0.05,
      threads: 1,
    },
    ...changes,
  }
}

/** A request that is interrupted once an evaluation was made after some steps. */
async function interruptedBy(reason: string): Promise<FineTuneClassifierRequest> {
  const interrupted = new AbortController()
  const { tuning, ...request } = await describeRequest()
  return {
    ...request,
    // How much is learnt by then is a matter of time: alpha must not hang on it.
    tuning: { ...tuning, epochs: 900, alpha: 1 },
    signal: interrupted.signal,
    onProgress(stage, done, _total, detail) {
      const isJudged = stage === 'training' && detail?.includes('validation')
      if (isJudged && done > 8) interrupted.abort(reason)
    },
  }
}

async function listPublished({ registry }: FineTuneDeps): Promise<string[]> {
  const models = await registry.listModels()
  return models.filter(({ origin }) => origin === 'registry').map(({ name }) => name)
}

describe('an interruption while the encoder trains', () => {
  it('by Ctrl-C keeps the best weights, which are judged and published', async () => {
    const parts = await openParts('ctrl-c')
    const result = await fineTuneClassifier(parts, await interruptedBy('SIGINT'))
    expect(result.notes.map((note) => print(note))).toEqual([
      expect.stringMatching(
        /^interrupted after \d+ steps; the weights of step [1-9]\d* were kept$/,
      ),
    ])
    expect(result.report.fineTuning).toMatchObject({ stopped: 'by Ctrl-C' })
    expect(result.report.fineTuning?.contenders).toHaveLength(3)
    expect(await parts.registry.listVersions('words-encoder')).toEqual([1])
    expect(await parts.registry.listVersions('words')).toEqual([1])
  })

  it('by SIGTERM ends all of it, and nothing is published', async () => {
    const parts = await openParts('sigterm')
    const failed = fineTuneClassifier(parts, await interruptedBy('SIGTERM'))
    await expect(failed).rejects.toBe('SIGTERM')
    expect(await listPublished(parts)).toEqual([])
    expect(await readdir(parts.scratchFolder)).toEqual([])
  })
})

it('publishes nothing where the export fails after the training', async () => {
  const parts = await openParts('export')
  const full = new EspalierError('invalid_data', 'no space left on device')
  const exportEncoder = () => Promise.reject(full)
  const failed = fineTuneClassifier({ ...parts, exportEncoder }, await describeRequest())
  await expect(failed).rejects.toBe(full)
  expect(await listPublished(parts)).toEqual([])
  expect(await readdir(parts.scratchFolder)).toEqual([])
})

describe('a registry that cannot be written', () => {
  const away = new EspalierError('registry_unavailable', 'the registry does not answer')

  /** The folders that a message names, by the model, in their order. */
  const readCommands = (error: unknown) => {
    const message = printError(error as EspalierError, COMMAND_LINE)
    return [...message.matchAll(/publish it by "espalier publish ([^ ]+) --name ([^ "]+)"/g)].map(
      ([, path = '', name = '']) => ({ path, name }),
    )
  }

  it.each(['words', 'words-encoder'])(
    'is told of %s before anything is read or trained',
    async (refused) => {
      const parts = await openParts('read-only')
      const checkWritable = async (name: string) => {
        if (name === refused) throw away
      }
      let opened = 0
      const failed = fineTuneClassifier(
        {
          ...parts,
          registry: { ...parts.registry, checkWritable },
          openEncoder: (options) => {
            opened++
            return parts.openEncoder(options)
          },
        },
        await describeRequest(),
      )
      await expect(failed).rejects.toBe(away)
      expect(opened).toBe(0)
    },
  )

  it.each([
    ['neither', ['words-encoder', 'words']],
    ['the encoder alone', ['words']],
  ])('after all, so that %s can be published, loses nothing', async (_, lost) => {
    const parts = await openParts(`lost-${lost.length}`)
    const { registry } = parts
    const publish: typeof registry.publish = (request, options) =>
      lost.includes(request.name) ? Promise.reject(away) : registry.publish(request, options)
    const failed = await fineTuneClassifier(
      { ...parts, registry: { ...registry, publish } },
      await describeRequest(),
    ).catch((error: unknown) => error)
    const commands = readCommands(failed)
    expect(commands.map(({ name }) => name)).toEqual(lost)
    for (const { path, name } of commands) {
      await publishModel(
        { registry, builtinEncoders: async () => [] },
        { path, name, promote: true },
      )
    }
    expect((await listPublished(parts)).sort()).toEqual(['words', 'words-encoder'])
    const [head, encoder] = [
      await registry.getVersion('words', 1),
      await registry.getVersion('words-encoder', 1),
    ]
    expect(head.family).toBe(encoder.family)
    expect((await registry.verify()).damages).toEqual([])
    expect(await readdir(parts.scratchFolder)).toEqual([])
  })
})

it('compares a second fine-tuning with the champion, on the encoder that this has', async () => {
  const parts = await openParts('second')
  const first = await fineTuneClassifier(parts, await describeRequest({ promote: 'always' }))
  expect(first.promotion).toEqual({ status: 'promoted', from: null })
  const request = await describeRequest({ seed: 42, promote: 'unless-worse' })
  const second = await fineTuneClassifier(parts, request)
  const { champion, test } = second.report
  expect(second.encoder?.family).toBe(first.encoder?.family)
  expect(champion).toMatchObject({ model: 'words@v1', accuracy: test?.accuracy, difference: 0 })
  const third = await fineTuneClassifier(parts, {
    ...request,
    tuning: { ...request.tuning, epochs: 5 },
  })
  expect(third.encoder?.family).not.toBe(first.encoder?.family)
  expect(third.report.champion).toMatchObject({
    model: formatModelVersion(
      second.promotion.status === 'promoted' ? second.version! : first.version!,
    ),
    accuracy: test?.accuracy,
  })
})
