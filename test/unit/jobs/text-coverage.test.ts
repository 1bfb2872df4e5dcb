import { fileURLToPath } from 'node:url'
import { beforeAll, describe, expect, it } from 'vitest'
import { TextCoverage } from '../../../shared/jobs/rows/text-coverage.ts'
import { loadTokenizer, type Tokenizer } from '../../../shared/runtime/text/tokenizer.ts'

const file = fileURLToPath(
  new URL('../../../infra/models/all-MiniLM-L6-v2/tokenizer.json', import.meta.url),
)
let tokenizer: Tokenizer
beforeAll(async () => {
  tokenizer = await loadTokenizer(file)
})

function warningsOf(texts: readonly string[], maxTokens = 256) {
  const coverage = new TextCoverage(tokenizer, maxTokens)
  coverage.lookAtAll(texts)
  return coverage.describe()
}

describe('what an English encoder cannot read', () => {
  it('is nothing in English, nor in other languages of its script', () => {
    expect(
      warningsOf(['Where is my parcel?', "I can't log in!!", 'café au lait, naïve', '12 3/4']),
    ).toEqual([])
    expect(warningsOf(['Wo bleibt meine Bestellung?', 'La factura está mal'])).toEqual([])
    expect(warningsOf([])).toEqual([])
  })

  it('are characters that it does not have, with their share', () => {
    const found = warningsOf(['👍🏽 🙃 🥰', 'thanks 🙃', 'all good here'])
    expect(found.map(({ code }) => code)).toEqual(['unknown_tokens'])
    expect(found[0]).toMatchObject({ count: 2 })
    expect(found[0]!.message).toMatch(/^\d+\.\d % of the tokens .* in 66\.7 % of the texts/)
    const chinese = warningsOf(['请退款给我，账单太高了', '快递还没有到，谢谢'])
    expect(chinese.map(({ code }) => code)).toContain('unknown_tokens')
  })

  it('are scripts that it spells letter by letter, with the share of their letters', () => {
    const [found] = warningsOf(['где моя посылка', 'верните деньги', 'счёт неверный'])
    expect(found).toMatchObject({ code: 'unknown_scripts', examples: ['Cyrillic'] })
    expect(found!.message).toContain('Cyrillic (100.0 % of the letters)')
    const half = warningsOf(['πού είναι το δέμα μου', 'where is my parcel please'])
    expect(half.find(({ code }) => code === 'unknown_scripts')!.message).toMatch(
      /Greek \(4\d\.\d %/,
    )
  })

  it('are the ends of long texts', () => {
    const long = 'word '.repeat(300)
    const [found] = warningsOf([long, 'short', 'short too', 'and this'])
    expect(found).toMatchObject({ code: 'cut_texts', count: 1 })
    expect(found!.message).toContain('25.0 % of the texts are longer than the 256 tokens')
  })

  it('is told alike however many texts there are, and texts that cannot be tokenised are passed over', () => {
    const many = Array.from({ length: 10_000 }, (_, i) =>
      i % 10 === 0 ? 'где посылка' : 'my parcel',
    )
    const [found] = warningsOf(many)
    expect(found).toMatchObject({ code: 'unknown_scripts' })
    expect(warningsOf(['\ud800'])).toEqual([])
  })
})
