import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, describe, expect, test } from 'vitest'
import { defaultSettings } from '../../shared/finetune/default-settings.ts'
import { fineTune } from '../../shared/finetune/fine-tune.ts'
import type { LabelledTexts, Trainable } from '../../shared/finetune/types.ts'
import { sharedPath } from '../shared-folder.ts'
import { bundleWorker } from '../worker-bundle.ts'

/** TREC-6: `CLASS:detail question`, in Latin-1. */
function readTrec(path: string, labels: string[]): LabelledTexts {
  const lines = readFileSync(path, 'latin1').split('\n').filter(Boolean)
  const found = lines.map((line) => {
    const label = line.slice(0, line.indexOf(':'))
    if (!labels.includes(label)) labels.push(label)
    return { text: line.slice(line.indexOf(' ') + 1), label: labels.indexOf(label) }
  })
  const targets = new Float32Array(found.length * labels.length)
  for (const [row, { label }] of found.entries()) targets[row * labels.length + label] = 1
  return { texts: found.map(({ text }) => text), targets, classes: labels.length }
}

const trainFile = sharedPath('data/trec/TREC.train.all')
const testFile = sharedPath('data/trec/TREC.test.all')
const work = mkdtempSync(join(tmpdir(), 'espalier-finetune-long-'))
afterAll(() => rmSync(work, { recursive: true, force: true }))

describe.skipIf(trainFile === null || testFile === null)('TREC-6, two epochs', () => {
  // One question of the 500 is 0.2 points; other processors round otherwise.
  test.each<[Trainable, number]>([
    [{ kind: 'all' }, 0.96],
    [{ kind: 'layers', count: 2 }, 0.95],
  ])('%o: at least %s', async (trainable, least) => {
    const labels: string[] = []
    const train = readTrec(trainFile as string, labels)
    const test = readTrec(testFile as string, labels)
    const rows = train.texts.length
    const loss = { kind: 'cross-entropy', smoothing: 0 } as const
    const result = await fineTune(
      { workerUrl: await bundleWorker('shared/finetune/worker.ts') },
      {
        baseFolder: fileURLToPath(new URL('../../infra/models/all-MiniLM-L6-v2', import.meta.url)),
        outputFolder: join(work, trainable.kind),
        train,
        validation: test,
        // Looks at the test rows before the first step and after the last one only.
        settings: {
          ...defaultSettings({ trainable, loss, rows }),
          epochs: 2,
          evaluationsPerEpoch: 0.1,
          seed: 1,
        },
      },
    )
    expect(result.curve).toHaveLength(2)
    expect(result.curve.at(-1)?.validationAccuracy).toBeGreaterThanOrEqual(least)
    expect(result.memory.peakBytes).toBeLessThan(1.2 * result.memory.predictedBytes)
    expect(result.memory.peakBytes).toBeGreaterThan(0.8 * result.memory.predictedBytes)
  })
})
