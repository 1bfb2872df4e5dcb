import { fileURLToPath } from 'node:url'
import { defaultSettings } from '../../../shared/finetune/default-settings.ts'
import type { FineTuneSettings, LabelledTexts } from '../../../shared/finetune/types.ts'
import { createRandom } from '../../../shared/lib/maths/random.ts'

const WORDS = [
  ['water', 'find'],
  ['people', 'number'],
  ['said', 'use'],
]
const FILLERS = ['the', 'of', 'to', 'and']
const CLASSES = WORDS.length

/** Path of a tiny random encoder of test/golden. */
export function checkpoint(name: string): string {
  return fileURLToPath(new URL(`../../golden/checkpoints/${name}`, import.meta.url))
}

/** Texts of common words and one word that tells the class; with `several`, words of up to three classes. */
export function toyRows(count: number, seed: number, several = false): LabelledTexts {
  const random = createRandom(seed)
  const pick = (words: readonly string[]) => words[random.below(words.length)] as string
  const targets = new Float32Array(count * CLASSES)
  const texts = Array.from({ length: count }, (_, row) => {
    const words = Array.from({ length: 1 + random.below(4) }, () => pick(FILLERS))
    const classes = several ? [0, 1, 2].filter(() => random.next() < 0.4) : [row % CLASSES]
    for (const c of classes) {
      targets[row * CLASSES + c] = 1
      words.splice(random.below(words.length + 1), 0, pick(WORDS[c] as string[]))
    }
    return words.join(' ')
  })
  return { texts, targets, classes: CLASSES }
}

/** Settings in which the tiny encoders learn such rows within seconds. */
export function toySettings(part: Partial<FineTuneSettings> = {}): FineTuneSettings {
  const defaults = defaultSettings({
    trainable: { kind: 'all' },
    loss: { kind: 'cross-entropy', smoothing: 0 },
    rows: 120,
    ...part,
  })
  return {
    ...defaults,
    epochs: 8,
    batchSize: 16,
    learningRate: 3e-3,
    headLearningRate: 1e-2,
    patience: null,
    evaluationsPerEpoch: 0.25,
    threads: 1,
    ...part,
  }
}
