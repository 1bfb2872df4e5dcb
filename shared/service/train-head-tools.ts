import type { TrainingReport } from '../training/report/types.ts'

/** The training side, loaded when something is trained or judged: a server never loads it. */
export async function loadTraining() {
  const [training, evaluation, comparison, scoring, layers, markdown, html, json] =
    await Promise.all([
      import('../training/train-head.ts'),
      import('../training/evaluate.ts'),
      import('../training/compare.ts'),
      import('../training/score-answers.ts'),
      import('../training/score-layer.ts'),
      import('../training/report/render-markdown.ts'),
      import('../training/report/render-html.ts'),
      import('../training/report/to-json.ts'),
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
