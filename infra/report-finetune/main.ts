/**
 * Measures fine-tuning on public data sets and writes the results into docs/fine-tuning.md.
 *
 *   npm run report:finetune -- [convergence | few-shot | full | page] [--data FOLDER] [--only NAMES] [--full]
 */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { DEFAULT_CELLS, FULL_CELLS, studyConvergence } from './convergence.ts'
import { replaceSection } from './page.ts'
import { writePlots } from './plots.ts'
import { studyFewShot, studyFull } from './product-studies.ts'
import { keepResult, readResults } from './results-file.ts'
import { tellConvergence, tellFewShot, tellFull } from './sections.ts'
import { type StudyParts, withStudyParts } from './study-parts.ts'
import { readStudySets, type StudySet } from './study-sets.ts'

const PARTS = ['convergence', 'few-shot', 'full'] as const
type Part = (typeof PARTS)[number]
const USAGE = `npm run report:finetune -- [${PARTS.join(' | ')} | page] [options]

  page            only writes the page anew, from what was measured last

  --data FOLDER   holds banking77, clinc150, snips, trec and sms-spam as their authors publish them;
                  default ../shared/data
  --only NAMES    sets, separated by commas: trec, banking77, clinc-intents, clinc-domains; for convergence
                  also single cells, such as trec-1000
  --full          convergence: more sizes, longer; hours instead of minutes
  --continue      few-shot: keeps the draws that were measured before, and runs the others`

const DOCS = fileURLToPath(new URL('../../docs/', import.meta.url))
const SETS: Readonly<Record<Part, readonly string[]>> = {
  convergence: ['trec', 'banking77', 'clinc-intents', 'clinc-domains'],
  'few-shot': ['trec', 'banking77'],
  full: ['trec', 'banking77', 'clinc-intents'],
}

async function main(args: readonly string[]): Promise<void> {
  const { values, positionals } = parseArgs({
    args: [...args],
    allowPositionals: true,
    options: {
      data: { type: 'string', default: '../shared/data' },
      only: { type: 'string' },
      full: { type: 'boolean', default: false },
      continue: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  })
  if (positionals[0] === 'page') return writePage(PARTS)
  const part = PARTS.find((name) => name === (positionals[0] ?? 'convergence'))
  if (values.help || part === undefined) {
    process.stderr.write(`${USAGE}\n`)
    process.exitCode = values.help ? 0 : 2
    return
  }
  const sets = await readStudySets(values.data)
  const only = values.only?.split(',')
  const scratch = await mkdtemp(join(tmpdir(), 'espalier-study-'))
  const log = (line: string): void => void process.stderr.write(`${line}\n`)
  try {
    await withStudyParts(scratch, log, (parts) =>
      study(part, parts, sets, { only, full: values.full, goesOn: values.continue }),
    )
  } finally {
    await rm(scratch, { recursive: true, force: true })
  }
  await writePage([part])
}

/** Writes sections of the page from what was measured last. */
async function writePage(parts: readonly Part[]): Promise<void> {
  const page = join(DOCS, 'fine-tuning.md')
  for (const part of parts) {
    const text = await tell(part)
    process.stdout.write(`${text}\n`)
    await writeFile(page, replaceSection(await readFile(page, 'utf8'), part, text))
  }
}

async function study(
  part: Part,
  parts: StudyParts,
  sets: readonly StudySet[],
  {
    only,
    full,
    goesOn,
  }: {
    readonly only: readonly string[] | undefined
    readonly full: boolean
    readonly goesOn: boolean
  },
): Promise<void> {
  const names = only ?? SETS[part]
  if (part === 'few-shot') {
    const known = goesOn ? (await readResults())[part] : []
    return studyFewShot(parts, sets, names, { known, keep: (result) => keepResult(part, result) })
  }
  if (part === 'full') return studyFull(parts, sets, names, (result) => keepResult(part, result))
  const cells = (full ? FULL_CELLS : DEFAULT_CELLS).filter(
    ({ set, rows }) => names.includes(set) || names.includes(`${set}-${rows}`),
  )
  return studyConvergence(parts, sets, cells, (result) => keepResult(part, result))
}

async function tell(part: Part): Promise<string> {
  const results = await readResults()
  if (part === 'few-shot') return tellFewShot(results[part])
  if (part === 'full') return tellFull(results[part])
  const plots = await writePlots(join(DOCS, 'images'), results.convergence)
  return tellConvergence(results.convergence, plots)
}

await main(process.argv.slice(2))
