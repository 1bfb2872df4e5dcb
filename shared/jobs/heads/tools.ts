import type { TrainingReport } from '../../reports/types.ts'

/** The training side, loaded when something is trained or judged: a server never loads it. */
export async function loadTraining() {
  const [training, evaluation, comparison, scoring, layers, markdown, html, json] =
    await Promise.all([
      import('../../training/train-head.ts'),
      import('../../training/evaluation/evaluate.ts'),
      import('../../training/evaluation/compare.ts'),
      import('../../training/evaluation/score-answers.ts'),
      import('../../training/evaluation/logme.ts'),
      import('../../reports/render-markdown.ts'),
      import('../../reports/render-html.ts'),
      import('../../reports/to-json.ts'),
    ])
  return {
    trainHead: training.trainHead,
    evaluateHead: evaluation.evaluateHead,
    compareHeads: comparison.compareHeads,
    scoreAnswers: scoring.scoreAnswers,
    scoreLayer: layers.scoreLayer,
    renderReport: (report: TrainingReport, thumbnails?: ReadonlyMap<string, string>) => ({
      markdown: markdown.renderMarkdown(report),
      html: html.renderHtml(report, thumbnails),
      json: json.toJson(report),
    }),
  }
}

export type TrainingTools = Awaited<ReturnType<typeof loadTraining>>
