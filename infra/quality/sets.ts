import { readFile } from 'node:fs/promises'
import { parse } from 'csv-parse/sync'

/** A public data set as texts and labels. */
export interface QualitySet {
  readonly name: string
  readonly train: readonly LabelledText[]
  readonly test: readonly LabelledText[]
  /** Texts of no label, to measure the out-of-distribution detector with. */
  readonly foreign: readonly string[]
}

export interface LabelledText {
  readonly text: string
  readonly label: string
}

/** Reads the sets from a folder with `banking77`, `clinc150`, `snips`, `trec` and `sms-spam`. */
export async function readQualitySets(folder: string): Promise<QualitySet[]> {
  return [
    await readBanking(`${folder}/banking77`),
    await readClinc(`${folder}/clinc150/data_full.json`),
    await readSnips(`${folder}/snips`),
    await readTrec(`${folder}/trec`),
    await readSms(`${folder}/sms-spam/sms.tsv`),
  ]
}

async function readBanking(folder: string): Promise<QualitySet> {
  const read = async (part: string): Promise<LabelledText[]> => {
    const rows: string[][] = parse(await readFile(`${folder}/${part}.csv`), { fromLine: 2 })
    return rows.map(([text, label]) => ({ text: text!, label: label! }))
  }
  return { name: 'banking77', train: await read('train'), test: await read('test'), foreign: [] }
}

async function readClinc(file: string): Promise<QualitySet> {
  const parts: Record<string, [string, string][]> = JSON.parse(await readFile(file, 'utf8'))
  const read = (part: string): LabelledText[] =>
    parts[part]!.map(([text, label]) => ({ text, label }))
  const foreign = read('oos_test').map(({ text }) => text)
  return { name: 'clinc150', train: read('train'), test: read('test'), foreign }
}

async function readSnips(folder: string): Promise<QualitySet> {
  const read = async (part: string): Promise<LabelledText[]> => {
    const texts = await readLines(`${folder}/${part}/seq.in`)
    const labels = await readLines(`${folder}/${part}/label`)
    return texts.map((text, i) => ({ text, label: labels[i]!.trim() }))
  }
  return { name: 'snips', train: await read('train'), test: await read('test'), foreign: [] }
}

async function readTrec(folder: string): Promise<QualitySet> {
  const read = async (part: string): Promise<LabelledText[]> => {
    const lines = await readLines(`${folder}/TREC.${part}.all`, 'latin1')
    return lines.map((line) => ({ text: line.slice(2), label: line.slice(0, 1) }))
  }
  return { name: 'trec', train: await read('train'), test: await read('test'), foreign: [] }
}

async function readSms(file: string): Promise<QualitySet> {
  const rows = (await readLines(file)).map((line) => {
    const tab = line.indexOf('\t')
    return { text: line.slice(tab + 1), label: line.slice(0, tab) }
  })
  // The file has no split of its own: every fifth row tests.
  const train = rows.filter((_, i) => i % 5 !== 4)
  const test = rows.filter((_, i) => i % 5 === 4)
  return { name: 'sms-spam', train, test, foreign: [] }
}

async function readLines(file: string, encoding: 'utf8' | 'latin1' = 'utf8'): Promise<string[]> {
  return (await readFile(file, encoding)).split('\n').filter((line) => line.trim() !== '')
}
