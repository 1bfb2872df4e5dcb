import { describe, expect, it } from 'vitest'
import type { LabelledExample } from '../../../shared/dataset/examples.ts'
import { divideData, toLabelledTexts } from '../../../shared/jobs/finetune/data.ts'
import type { FineTuneClassifierRequest } from '../../../shared/jobs/finetune/request.ts'
import type { TrainingData } from '../../../shared/jobs/heads/data.ts'

const train: LabelledExample[] = Array.from({ length: 400 }, (_, row) => ({
  ...{ text: `text ${row}`, labels: [row % 8 < 4 ? 'a' : 'b'] },
  together: Math.floor(row / 4),
}))
const data = { train, test: [], classes: ['a', 'b'], multiLabel: false } as unknown as TrainingData
const request = {
  ...{ validationFraction: 0.2, seed: 3 },
  tuning: { loss: 'cross-entropy' },
} as unknown as FineTuneClassifierRequest

describe('the validation rows of fine-tuning', () => {
  it('have whole groups, and what is learnt says which rows belong together', () => {
    const { learnt, validation, few } = divideData(data, request)
    expect(few).toBe(false)
    expect(validation).toHaveLength(80)
    const groups = new Set(validation.map(({ together }) => together))
    expect(groups.size).toBe(20)
    expect(learnt.some(({ together }) => groups.has(together))).toBe(false)
    const { together } = toLabelledTexts(learnt, ['a', 'b'], '')
    expect(Array.from(together!)).toEqual(learnt.map((example) => example.together))
  })
})
