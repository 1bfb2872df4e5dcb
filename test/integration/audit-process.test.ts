import { spawn } from 'node:child_process'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { bundledCli } from '../cli-bundle.ts'
import { finish } from './finish-process.ts'

const checkpoint = fileURLToPath(new URL('../golden/checkpoints/bert-mean', import.meta.url))
const bundle = bundledCli()
let folder: string
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'espalier-audited-'))
  const argv = ['export', checkpoint, '--output', join(folder, 'tiny'), '--precision', 'float32']
  const made = await run(...argv, '--quiet')
  expect(made.code, made.stderr).toBe(0)
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

/** Four of eighty rows have the other label. */
const WRONG = [16, 25, 44, 63]

async function writeRows(): Promise<string> {
  const lines = Array.from({ length: 80 }, (_, i) => {
    const text =
      i % 2 === 0
        ? `the card payment number ${i} was declined at the shop`
        : `my transfer number ${i} to another bank has not arrived`
    const isCard = (i % 2 === 0) !== WRONG.includes(i + 2)
    return `${text},${isCard ? 'card' : 'transfer'}`
  })
  const path = join(folder, 'transfers.csv')
  await writeFile(path, ['text,label', ...lines, ''].join('\n'))
  return path
}

it('train and audit name the rows with a wrong label by line, with the likelier one', async () => {
  const data = await writeRows()
  const report = join(folder, 'report')
  const trained = await run(
    ...[
      'train',
      data,
      '--name',
      't',
      '--dry-run',
      '--test-fraction',
      '0',
      '--report',
      report,
      '-q',
    ],
  )
  expect(trained.code, trained.stderr).toBe(0)
  for (const line of WRONG) {
    const [likelier, given] = line % 2 === 0 ? ['card', 'transfer'] : ['transfer', 'card']
    expect(trained.stdout).toContain(`line ${line} ${likelier}, not ${given}`)
  }
  expect(trained.stdout).toContain(`espalier audit ${data}`)
  const { labelNoise } = JSON.parse(await readFile(join(report, 'report.json'), 'utf8'))
  expect(labelNoise).toMatchObject({ doubted: 4 })
  expect(await readFile(join(report, 'report.md'), 'utf8')).toContain('## Labels in doubt')
  const audited = await run('audit', data, '-q', '--fail-above', '0.04', '--json')
  expect(audited.code).toBe(1)
  expect(audited.stderr).toBe('espalier: 5.0 % of the labels are likely wrong, more than 4.0 %\n')
  const { found } = JSON.parse(audited.stdout)
  const doubted = found.filter(({ kind }: { kind: string }) => kind === 'label')
  expect(doubted.map(({ line }: { line: number }) => line).sort()).toEqual(WRONG)
}, 60_000)

it('audit names the labels that rows of several lack, and those that they have too many of', async () => {
  const lines = Array.from({ length: 80 }, (_, i) => {
    const text =
      i % 2 === 0
        ? `the card payment number ${i} was declined at the shop`
        : `my transfer number ${i} to another bank has not arrived`
    const labels = i % 2 === 0 ? ['card', 'shop'] : ['transfer']
    if (i === 14) labels.pop()
    if (i === 23) labels.push('shop')
    return `${text},${labels.join('|')}`
  })
  const path = join(folder, 'several.csv')
  await writeFile(path, ['text,label', ...lines, ''].join('\n'))
  const ask = (...more: string[]) => run('audit', path, '-q', '--label-separator', '|', ...more)
  const audited = await ask('--json', '--fail-above', '0.02')
  expect(audited.stderr).toBe('espalier: 2.5 % of the labels are likely wrong, more than 2.0 %\n')
  const { found } = JSON.parse(audited.stdout)
  const doubted = found.filter(({ kind }: { kind: string }) => kind === 'label')
  expect(doubted).toHaveLength(2)
  expect(doubted).toContainEqual(
    expect.objectContaining({ line: 16, label: null, suggestion: 'shop' }),
  )
  expect(doubted).toContainEqual(
    expect.objectContaining({ line: 25, label: 'shop', suggestion: null }),
  )
  const { stdout } = await ask()
  expect(stdout).toMatch(/^ {2}line 16: shop too \(\d+\.\d %\)$/m)
  expect(stdout).toMatch(/^ {2}line 25: not shop \(\d+\.\d %\)$/m)
}, 60_000)
