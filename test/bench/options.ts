import { parseArgs } from 'node:util'

/** What the bench can measure, in the order in which it does. */
export const PART_NAMES = [
  'embed',
  'http',
  'open',
  'lone',
  'heads',
  'start',
  'memory',
  'kernels',
  'scale',
  'shapes',
  'images',
  'registry',
  'finetune',
  'bulk',
  'soak',
] as const
export type PartName = (typeof PART_NAMES)[number]
/** Measured only when asked for by name: they take their minutes. */
const ON_DEMAND: readonly PartName[] = ['bulk', 'soak']

/** A run of the bench as it was asked for. */
export interface BenchOptions {
  readonly parts: readonly PartName[]
  readonly passes: number
  /** Length of the soak. */
  readonly minutes: number
  /** All texts of the workloads. */
  readonly full: boolean
  /** Contestants whose name contains this. */
  readonly only: string
  readonly json: string | null
  readonly markdown: string | null
  readonly check: boolean
  /** Write floors made from this run. */
  readonly record: boolean
}

/** What `--help` prints. */
export const USAGE = `npm run bench -- [part …] [options]

Measures this machine's speed, ours beside the peers that are there, in passes that take turns. The report goes
to standard output, progress to standard error. Quote ratios; times are those of one machine at one moment.

Parts (none: all but bulk and soak)
  embed     texts and tokens a second in process
  http      throughput and latency over HTTP, 32 connections with 1 text and 4 with 32
  open      the highest rate of single texts with p99 within 25 ms, callers that do not wait
  lone      latency of one text at a time, over HTTP and in process
  heads     classifiers on every text, up to 100
  start     process start to first answer, warm cache
  memory    resident memory after a load, and its peak
  kernels   time of the matrix products alone against the engine's, and a profile by operator
  scale     2 workers against 1, and HTTP against in process
  shapes    one core with one text a request; an encoder of BERT-base's size
  images    images a second, beside a Python script (PEER_PYTHON); memory under a crowd
  registry  promotion to first answer; downloads from S3 under "npm run s3 --"
  finetune  a training step of the encoder, all layers and the last two
  bulk      espalier bulk beside the engine alone, 20,000 rows; with --full 100,000
  soak      twice the load that the server can carry, for --minutes

Options
  --passes N        measured passes of everything; default 5
  --minutes N       length of the soak; default 10
  --full            every text of each workload instead of the first ones
  --only TEXT       only contestants whose name contains TEXT
  --json FILE       write everything found as JSON
  --markdown FILE   write the report into FILE, between its markers where it has them
  --check           compare the ratios with test/bench/floors.json; exit code 1 when one fell under its floor
  --record          set the floors of test/bench/floors.json 15 % under what was found, targets at most
  --help            this text

Peers (environment variables)
  PEER_MODEL     folder made by test/bench/peers/make-peer-model.py: @huggingface/transformers in process
  PEER_TORCH     a Python that has torch and transformers: for the part finetune
  TEI_URL        text-embeddings-inference that runs on this machine, http://127.0.0.1:PORT
  TEI_INT8_URL   another one that serves the int8 file
  TEI_NAME       how they are called in tables; default TEI
  TEI_COMMAND    how to start one, with {port} where its port goes: for the part start

Examples
  npm run bench -- embed http --passes 7
  PEER_MODEL=/tmp/peer-model npm run bench -- embed --only int8
  TEI_URL=http://127.0.0.1:3000 npm run bench -- http open lone --check
  npm run bench -- --markdown docs/performance.md --json bench.json`

/** Reads the command line; null asks for help. @throws Error that names what is wrong with it */
export function parseOptions(args: readonly string[]): BenchOptions | null {
  const { values, positionals } = parseArgs({
    args: [...args],
    allowPositionals: true,
    options: {
      passes: { type: 'string', default: '5' },
      minutes: { type: 'string', default: '10' },
      full: { type: 'boolean', default: false },
      only: { type: 'string', default: '' },
      json: { type: 'string' },
      markdown: { type: 'string' },
      check: { type: 'boolean', default: false },
      record: { type: 'boolean', default: false },
      help: { type: 'boolean', short: 'h', default: false },
    },
  })
  if (values.help) return null
  const unknown = positionals.find((name) => !PART_NAMES.some((part) => part === name))
  if (unknown !== undefined) {
    throw new Error(`there is no part "${unknown}"; there are ${PART_NAMES.join(', ')}`)
  }
  if (!/^[1-9]\d{0,2}$/.test(values.passes)) {
    throw new Error(`--passes is "${values.passes}"; it must be a whole number from 1 to 999`)
  }
  const minutes = Number(values.minutes)
  if (!(minutes > 0 && minutes <= 1440)) {
    throw new Error(`--minutes is "${values.minutes}"; it must be a number up to 1440`)
  }
  const isWanted = (name: PartName) =>
    positionals.length === 0 ? !ON_DEMAND.includes(name) : positionals.includes(name)
  return {
    parts: PART_NAMES.filter(isWanted),
    passes: Number(values.passes),
    minutes,
    full: values.full,
    only: values.only,
    json: values.json ?? null,
    markdown: values.markdown ?? null,
    check: values.check,
    record: values.record,
  }
}
