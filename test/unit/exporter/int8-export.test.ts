import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, describe, expect, it } from 'vitest'
import { exportEncoder } from '../../../shared/exporter/export-encoder.ts'

const checkpoints = fileURLToPath(new URL('../../golden/checkpoints/', import.meta.url))
const texts = fileURLToPath(new URL('../../../infra/calibration/texts.txt', import.meta.url))
const work = mkdtempSync(join(tmpdir(), 'espalier-int8-'))
afterAll(() => rmSync(work, { recursive: true, force: true }))

const fileOf = (folder: string, name: string) => readFileSync(join(work, folder, name))

function exportInt8(name: string, output: string, options: { threads?: number } = {}) {
  const folder = join(checkpoints, name)
  const to = join(work, output)
  const precisions = ['float32', 'int8'] as const
  return exportEncoder({ folder, output: to, precisions, calibration: texts, ...options })
}

/** A folder that brings the calibration of an earlier export, changed as a test asks. */
function withCalibration(name: string, from: string, edit: (json: Stored) => void): string {
  const folder = join(work, `${from}-source`)
  rmSync(folder, { recursive: true, force: true })
  cpSync(join(checkpoints, name), folder, { recursive: true })
  const stored = JSON.parse(fileOf(from, 'calibration.json').toString()) as Stored
  edit(stored)
  writeFileSync(join(folder, 'calibration.json'), JSON.stringify(stored))
  return folder
}

interface Stored {
  schema: number
  sites: Record<string, { low: number[]; high: number[]; mean: number[]; rounding: string }>
}

describe('the int8 export', () => {
  it.each(['bert-mean', 'distilbert-mean', 'roberta-max-dense'])(
    'stays close to float32 on %s',
    async (name) => {
      const { golden } = await exportInt8(name, `close-${name}`)
      for (const { vectors } of golden) {
        const { float32 = [], int8 = [] } = vectors
        const dot = float32.reduce((sum, value, i) => sum + value * (int8[i] as number), 0)
        expect(dot / Math.hypot(...float32) / Math.hypot(...int8)).toBeGreaterThan(0.998)
      }
    },
  )

  it('gives the same bytes and fingerprint whatever the threads', async () => {
    const one = await exportInt8('bert-mean', 'one', { threads: 1 })
    const two = await exportInt8('bert-mean', 'two', { threads: 2 })
    expect(two.graphs.int8?.fingerprint).toBe(one.graphs.int8?.fingerprint)
    expect(Object.keys(one.files)).toContain('calibration.json')
    for (const name of Object.keys(one.files)) {
      expect(fileOf('two', name).equals(fileOf('one', name)), name).toBe(true)
    }
  })

  it('makes the same graph again from a stored calibration, without texts', async () => {
    const first = await exportInt8('bert-mean', 'stored')
    const folder = withCalibration('bert-mean', 'stored', () => {})
    const output = join(work, 'again')
    const again = await exportEncoder({ folder, output, precisions: ['int8'] })
    expect(again.graphs.int8?.fingerprint).toBe(first.graphs.int8?.fingerprint)
    expect(fileOf('again', 'int8.onnx').equals(fileOf('stored', 'int8.onnx'))).toBe(true)
  })

  it('names another fingerprint when one weight is rounded the other way', async () => {
    const first = await exportInt8('bert-mean', 'other')
    const folder = withCalibration('bert-mean', 'other', ({ sites }) => {
      const [a, b] = ['layers.0.out', 'layers.1.out'].map((key) => sites[key])
      if (a && b) a.rounding = b.rounding
    })
    const output = join(work, 'moved')
    const moved = await exportEncoder({ folder, output, precisions: ['int8'] })
    expect(moved.graphs.int8?.fingerprint).not.toBe(first.graphs.int8?.fingerprint)
    expect(moved.family).toBe(first.family)
  })

  it.each<[string, (stored: Stored) => void, string]>([
    [
      'of an older schema',
      (stored) => {
        stored.schema = 1
      },
      'calibration.json: schema',
    ],
    ['without a site', ({ sites }) => delete sites['layers.1.ffnOut'], 'layers.1.ffnOut does not'],
    ['with a range missing', ({ sites }) => sites['layers.0.qkv']?.low.pop(), 'does not hold'],
    ['with a mean missing', ({ sites }) => sites['layers.0.ffnOut']?.mean.pop(), 'means'],
    [
      'with a damaged rounding',
      ({ sites }) => {
        const site = sites['layers.0.out']
        if (site) site.rounding = 'AAAA'
      },
      'a rounding does not fit',
    ],
  ])('refuses a stored calibration %s', async (_name, edit, message) => {
    await exportInt8('bert-mean', 'damaged').catch(() => undefined)
    const folder = withCalibration('bert-mean', 'damaged', edit)
    const output = join(work, 'refused')
    await expect(exportEncoder({ folder, output, precisions: ['int8'] })).rejects.toMatchObject({
      code: 'invalid_model_file',
      message: expect.stringContaining(message),
    })
  })
})
