import { describe, expect, it } from 'vitest'
import { createRandom } from '../../../shared/lib/maths/random.ts'
import { answerByBaselines } from '../../../shared/training/baselines/baselines.ts'
import { createFeatureHasher } from '../../../shared/training/baselines/hashed-features.ts'

const TOPICS = [
  ['parcel', 'delivery', 'courier', 'shipment', 'tracking'],
  ['invoice', 'charge', 'refund', 'payment', 'fee'],
  ['password', 'login', 'account', 'username', 'locked'],
]

/** Sentences of which one word tells the topic. */
function sentences(rows: number, seed: number) {
  const random = createRandom(seed)
  const pick = <T>(of: readonly T[]): T => of[random.below(of.length)]!
  const truth = Array.from({ length: rows }, (_, row) => [row % TOPICS.length])
  const texts = truth.map(
    ([topic]) =>
      `${pick(['please', 'hello', 'hi'])} my ${pick(TOPICS[topic!]!)} ${pick(['is wrong', 'is late', 'is missing', 'again'])}`,
  )
  return { texts, truth, labels: TOPICS.length, multiLabel: false }
}

function shareRight(
  said: readonly (readonly number[])[],
  truth: readonly (readonly number[])[],
): number {
  return said.filter((labels, row) => labels.join() === truth[row]!.join()).length / truth.length
}

describe('the baselines', () => {
  it('learn words that tell a label, and are the same every time', () => {
    const learnt = sentences(90, 1)
    const asked = sentences(60, 2)
    const answer = () => answerByBaselines(learnt, asked.texts, { seed: 5, texts: true })
    const [majority, words] = answer()
    expect(majority!.name).toBe('majority')
    expect(shareRight(majority!.said, asked.truth)).toBeCloseTo(1 / 3, 12)
    expect(words!.name).toBe('tf-idf')
    expect(shareRight(words!.said, asked.truth)).toBeGreaterThan(0.95)
    expect(answer()).toEqual([majority, words])
  })

  it('give the most frequent answer, the first of several', () => {
    const learnt = { texts: ['a', 'b', 'c', 'd'], truth: [[1], [0], [0], [1]], labels: 2 }
    const [majority] = answerByBaselines({ ...learnt, multiLabel: false }, ['x', 'y'], {
      seed: 1,
      texts: false,
    })
    expect(majority!.said).toEqual([[1], [1]])
  })

  it('answer sets of labels where rows have several', () => {
    const random = createRandom(3)
    const rows = Array.from({ length: 120 }, () => {
      const labels = TOPICS.flatMap((_, topic) => (random.below(2) === 1 ? [topic] : []))
      const words = labels.map((topic) => TOPICS[topic]![random.below(5)]!)
      return { text: `about ${words.join(' and ')}`, labels }
    })
    const [majority, words] = answerByBaselines(
      {
        texts: rows.slice(0, 90).map(({ text }) => text),
        truth: rows.slice(0, 90).map(({ labels }) => labels),
        labels: 3,
        multiLabel: true,
      },
      rows.slice(90).map(({ text }) => text),
      { seed: 1, texts: true },
    )
    const truth = rows.slice(90).map(({ labels }) => labels)
    expect(shareRight(words!.said, truth)).toBeGreaterThan(0.9)
    expect(shareRight(majority!.said, truth)).toBeLessThan(0.5)
  })

  it('know nothing of images but how frequent labels are', () => {
    const learnt = sentences(30, 1)
    const found = answerByBaselines(learnt, ['a.png'], { seed: 1, texts: false })
    expect(found.map(({ name }) => name)).toEqual(['majority'])
  })

  it('leave TF-IDF out where labels are too many for bounded work', () => {
    const texts = Array.from({ length: 9000 }, (_, row) => `text ${row}`)
    const truth = texts.map((_, row) => [row % 3000])
    const found = answerByBaselines({ texts, truth, labels: 3000, multiLabel: false }, ['text'], {
      seed: 1,
      texts: true,
    })
    expect(found.map(({ name }) => name)).toEqual(['majority'])
  })
})

describe('hashed features', () => {
  it('have unit length, whatever the script, and none for an empty text', () => {
    const texts = ['Where is my parcel?', '我的包裹在哪里', 'где моя посылка', '👍🏽', '', '  ']
    const { starts, values } = createFeatureHasher(texts, 4096).transform(texts)
    texts.forEach((text, row) => {
      const own = values.subarray(starts[row], starts[row + 1])
      const length = Math.hypot(...own)
      expect(length).toBeCloseTo(text.trim() === '' ? 0 : 1, 5)
    })
  })

  it('do not hang on case or the form of a character', () => {
    const hasher = createFeatureHasher(['café au lait'], 4096)
    const [a, b] = ['CAFÉ au lait', 'cafe\u0301 au lait'].map((text) => hasher.transform([text]))
    expect(a).toEqual(b)
  })
})
