import { spawn } from 'node:child_process'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { bundledCli } from '../cli-bundle.ts'
import { sharedPath } from '../shared-folder.ts'
import { finish } from './finish-process.ts'

const checkpoint = fileURLToPath(new URL('../golden/checkpoints/bert-mean', import.meta.url))
const tickets = sharedPath('cases', '20-interval-of-a-perfect-score', 'tickets.csv')
const bundle = bundledCli()
let folder: string
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'espalier-few-'))
})
afterAll(async () => {
  await rm(folder, { recursive: true, force: true })
})

function run(...argv: string[]) {
  const env = {
    PATH: process.env.PATH,
    ESPALIER_CACHE: join(folder, 'cache'),
    ESPALIER_REGISTRY: `file:${join(folder, 'registry')}`,
    ESPALIER_ENCODER: join(folder, 'tiny'),
    ESPALIER_PRECISION: 'float32',
    ESPALIER_WORKERS: '1',
    ESPALIER_LOG_LEVEL: 'error',
  }
  return finish(spawn(process.execPath, [bundle.script, ...argv], { env }))
}

it.skipIf(tickets === null)(
  'a few test rows have an interval that says how little they tell, and do not lead',
  async () => {
    const made = await run(
      ...['export', checkpoint, '--output', join(folder, 'tiny')],
      ...['--precision', 'float32', '--quiet'],
    )
    expect(made.code, made.stderr).toBe(0)
    const report = join(folder, 'report')
    const trained = await run(
      ...['train', tickets!, '--name', 't', '--method', 'ncm', '--report', report, '-q'],
    )
    expect(trained.code, trained.stderr).toBe(0)
    const { test, repeatedCrossValidation, baselines } = JSON.parse(
      await readFile(join(report, 'report.json'), 'utf8'),
    )
    expect(test).toMatchObject({ rows: 3, interval: { method: 'clopper-pearson' } })
    // Of 3 rows any exact interval is wider than two thirds.
    expect(test.interval.high - test.interval.low).toBeGreaterThan(0.66)
    expect(repeatedCrossValidation).toMatchObject({ repeats: 10, folds: 5, rows: 16 })
    expect(baselines.map(({ name }: { name: string }) => name)).toEqual(['majority', 'tf-idf'])
    const lines = trained.stdout.split('\n')
    expect(lines[1]).toMatch(/^ {2}accuracy .*, cross-validated 10 times on 16 rows$/)
    expect(trained.stdout).toContain('Only 3 test rows: alone they leave the accuracy between')
    const markdown = await readFile(join(report, 'report.md'), 'utf8')
    expect(markdown).toMatch(
      /\| Result .*\n\|[-| ]*\n\| Accuracy, 5-fold cross-validation, 10 times/,
    )
    expect(markdown).toContain('## Beside simpler answers')
    const shown = await run('show', 't')
    expect(shown.stdout).toMatch(/repeated +\d+\.\d % \(95 % interval /)
  },
)
