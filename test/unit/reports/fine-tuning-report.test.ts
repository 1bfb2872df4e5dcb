import { describe, expect, test } from 'vitest'
import { adviseOn } from '../../../shared/reports/advice.ts'
import { recommend } from '../../../shared/reports/fine-tuning.ts'
import { renderHtml } from '../../../shared/reports/render-html.ts'
import { renderMarkdown } from '../../../shared/reports/render-markdown.ts'
import { toJson } from '../../../shared/reports/to-json.ts'
import type {
  ReportContender,
  ReportFineTuning,
  TrainingReport,
} from '../../../shared/reports/types.ts'
import { checkXml } from './check-xml.ts'
import { sampleReport } from './sample-report.ts'

const labels = ['abbreviation', 'person', 'place']
const frozen: ReportContender = {
  name: 'frozen, int8',
  tuned: false,
  precision: 'int8',
  accuracy: 0.92,
  interval: { low: 0.9, high: 0.94 },
  macroF1: 0.91,
  ece: 0.02,
  gain: null,
}

function tuned(precision: string, difference: number, half = 0.01): ReportContender {
  const gain = { difference, low: difference - half, high: difference + half }
  const accuracy = 0.92 + difference
  return { ...frozen, name: `fine-tuned, ${precision}`, tuned: true, precision, accuracy, gain }
}

function sampleFineTuning(contenders: readonly ReportContender[], points = 3): ReportFineTuning {
  return {
    base: {
      model: 'all-minilm-l6-v2@v1',
      family: 'b'.repeat(64),
      fingerprint: 'c'.repeat(64),
      precision: 'int8',
    },
    settings: { Trained: 'all layers', Loss: 'cross-entropy', 'Learning rate': 1e-4 },
    rows: { train: 900, validation: 100 },
    stopped: 'as planned',
    steps: 60,
    bestStep: 40,
    blend: {
      alpha: 0.5,
      basis: 'cross-validation',
      rows: 1_200,
      scores: [
        { alpha: 0, accuracy: 0.8, gain: 0, error: 0 },
        { alpha: 0.5, accuracy: 0.842, gain: 0.042, error: 0.011 },
      ],
    },
    epochs: 2,
    trainedParameters: 10_650_000,
    curve: Array.from({ length: points }, (_, i) => ({
      step: i * 20,
      seconds: i * 3.5,
      trainLoss: i === 0 ? null : 1 / i,
      validationLoss: 1.2 / (i + 1),
      validationAccuracy: 0.8 + 0.01 * i,
    })),
    contenders,
    head: { chosen: 'refitted', why: 'softmax <refitted> | and calibrated' },
    recommendation: recommend(contenders, 'int8'),
    memory: { predictedBytes: 9e8, peakBytes: 1e9 },
  }
}

describe('the recommendation', () => {
  test('is for the tuned pair where its gain is beyond the interval', () => {
    const said = recommend([frozen, tuned('float32', 0.05), tuned('int8', 0.04)], 'int8')
    expect(said).toMatchObject({ promote: 'tuned', precision: 'int8' })
    expect(said.why).toContain('changes by +4.0 points')
  })

  test('never is where the interval holds zero, however high the accuracy', () => {
    const said = recommend([frozen, tuned('int8', 0.02, 0.02)], 'int8')
    expect(said).toMatchObject({ promote: 'frozen', precision: null })
  })

  test('names another precision where only that has a clear gain', () => {
    const said = recommend([frozen, tuned('int8', 0.005), tuned('float32', 0.03)], 'int8')
    expect(said).toMatchObject({ promote: 'tuned', precision: 'float32' })
    expect(said.why).toContain('at int8 it is not clearly better')
  })

  test('is none without test rows', () => {
    expect(recommend([], 'int8')).toMatchObject({ promote: 'unknown', precision: null })
  })
})

describe('the report of a fine-tuning', () => {
  const contenders = [frozen, tuned('int8', 0.04), tuned('float32', 0.05)]
  const report: TrainingReport = {
    ...sampleReport(labels),
    fineTuning: sampleFineTuning(contenders, 90),
  }

  test('as Markdown has recommendation, comparison, settings and a thinned curve', () => {
    const text = renderMarkdown(report)
    expect(text).toContain('**Promote the fine-tuned pair at int8.**')
    expect(text).toMatch(/\| fine-tuned, int8 +\| +96\.0 % \|.*\+4\.0 \(\+3\.0 to \+5\.0\)/)
    expect(text).toContain('| Learning rate')
    expect(text).toContain(
      'alpha 0.5, chosen by cross-validation of the training on 1,200 rows; right at 0: 80.0 %, 0.5: 84.2 % (+4.2 ± 1.1)',
    )
    expect(text).toContain('softmax \\<refitted\\> \\| and calibrated')
    const curve = text.slice(text.indexOf('| Step'), text.indexOf('## Warnings'))
    const rows = curve.trim().split('\n').slice(2)
    expect(rows.length).toBeLessThanOrEqual(22)
    expect(text).toContain('| 1,780 |')
  })

  test('says where there was no choice of the mix', () => {
    const told = (blend: Partial<ReportFineTuning['blend']>) => {
      const fineTuning = sampleFineTuning(contenders)
      const changed = { ...fineTuning, blend: { ...fineTuning.blend, scores: [], ...blend } }
      return renderMarkdown({ ...report, fineTuning: changed })
    }
    expect(told({ alpha: 0.75, basis: 'given' })).toContain('alpha 0.75: as it was asked for')
    expect(told({ alpha: 1, basis: 'none' })).toContain(
      'alpha 1: there was nothing to choose it by',
    )
  })

  test('as HTML draws both curves and stays well-formed', () => {
    const page = renderHtml(report)
    checkXml(page)
    expect(page).toContain('Loss in nats')
    expect(page).toContain('Accuracy on the validation rows')
    expect(page.match(/class="line series-1"/g)).toHaveLength(2)
    expect(page).not.toContain('<refitted>')
  })

  test('as HTML does without validation rows and without a curve', () => {
    const empty = { ...sampleFineTuning(contenders), curve: [] }
    checkXml(renderHtml({ ...report, fineTuning: empty }))
    const curve = [
      { step: 9, seconds: 1, trainLoss: 0.5, validationLoss: null, validationAccuracy: null },
    ]
    const page = renderHtml({ ...report, fineTuning: { ...empty, curve } })
    checkXml(page)
    expect(page).not.toContain('Accuracy on the validation rows')
  })

  test('as JSON carries it all, and is not there where nothing was tuned', () => {
    expect(renderMarkdown(report)).toContain(
      '## Learning curve\n\nThere is none: each point would take a fine-tuning of its own.',
    )
    expect(renderMarkdown(sampleReport(labels))).not.toContain('## Learning curve')
    expect(JSON.parse(toJson(report)).fineTuning).toEqual(report.fineTuning)
    expect(Object.keys(JSON.parse(toJson(sampleReport(labels))))).not.toContain('fineTuning')
  })
})

describe('advice to fine-tune', () => {
  const questions: TrainingReport = {
    ...sampleReport(labels),
    candidates: [
      { name: 'softmax', accuracy: 0.91, nll: 0.3, parameters: {} },
      { name: 'ncm', accuracy: 0.77, nll: 0.8, parameters: {} },
    ],
    crossValidation: { accuracy: 0.91, nll: 0.3, ece: 0.01, fittedAccuracy: 0.95 },
  }
  const test_ = questions.test!
  const fewRows = {
    split: { ...questions.split, trainRows: 48 },
    candidates: [{ name: 'ncm', accuracy: 0.53, nll: 1.2, parameters: {} }],
  }
  const advise = (changes: Partial<TrainingReport>) =>
    adviseOn({ ...questions, test: { ...test_, accuracy: 0.92 }, ...changes }).join('\n')

  test('comes with a command where labels cut across what the encoder takes for alike', () => {
    expect(advise({})).toContain('is likely to pay')
    expect(advise({})).toContain('espalier finetune intents.csv --name intent')
  })

  test('is to learn from pairs where there are few rows', () => {
    expect(advise(fewRows)).toMatch(/espalier finetune \S+ --name intent --loss contrastive$/m)
  })

  test.each<[string, Partial<TrainingReport>]>([
    ['few rows a class, class means being fair', { split: { ...questions.split, trainRows: 60 } }],
    ['hardly any rows', { ...fewRows, split: { ...questions.split, trainRows: 20 } }],
    ['nothing left to gain', { test: { ...test_, accuracy: 0.985 } }],
    ['a foreign graph', { encoder: { ...questions.encoder, architecture: 'onnx' } }],
    [
      'a head that is tuned already',
      { fineTuning: sampleFineTuning([frozen, tuned('int8', 0.1)]) },
    ],
    [
      'class means that are good',
      { candidates: [{ name: 'ncm', accuracy: 0.9, nll: 0.5, parameters: {} }] },
    ],
  ])('does not come with %s', (_, changes) => {
    expect(advise(changes)).not.toContain('is likely to pay')
  })
})
