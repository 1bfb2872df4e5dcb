import { readdirSync, readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { EXIT_CODES } from '../../../functions/cli/output/report-error.ts'
import { ERROR_CODES, EspalierError } from '../../../shared/lib/errors.ts'
import { createFakeBoot } from '../../fakes/fake-boot.ts'
import { runCommand } from './run.ts'

const boot = createFakeBoot()
const VERBS = [
  'serve',
  'report',
  'train',
  'adapt',
  'finetune',
  'bulk',
  'evaluate',
  'drift',
  'compare',
  'predict',
  'embed',
  'export',
  'inspect',
  'layers',
  'publish',
  'models',
  'show',
  'diff',
  'promote',
  'rollback',
  'traffic',
  'shadow',
  'alias',
  'audit',
  'pull',
  'push',
  'delete',
  'gc',
  'verify',
  'keys',
  'aws',
]

describe('usage', () => {
  it('prints help and version without building anything', async () => {
    const never = () => Promise.reject(new Error('not needed'))
    const help = await runCommand(['--help'], { boot: never })
    expect(help).toMatchObject({ code: 0, stderr: '' })
    const listed = [...help.stdout.matchAll(/^ {2}([a-z]+) /gm)].map(([, verb]) => verb)
    expect(listed.filter((verb) => verb !== 'help').sort()).toEqual([...VERBS].sort())
    expect(await runCommand(['--version'], { boot: never })).toEqual({
      code: 0,
      stdout: '1.2.3\n',
      stderr: '',
    })
  })

  it.each(VERBS)('shows examples of %s', async (verb) => {
    const { code, stdout } = await runCommand([verb, '--help'], { boot })
    expect(code).toBe(0)
    expect(stdout).toContain('Examples:')
    expect(stdout).toContain(`espalier ${verb}`)
  })

  it.each(VERBS)('gives no option of %s two defaults', async (verb) => {
    const { stdout } = await runCommand([verb, '--help'], { boot })
    const [options = ''] = stdout.split('Examples:')
    const blocks = options.split(/\n(?= {2}-)/).slice(1)
    expect(blocks.length).toBeGreaterThan(0)
    expect(blocks.filter((block) => block.split('default:').length > 2)).toEqual([])
  })

  it('has every command that the pages show', () => {
    const docs = new URL('../../../docs/', import.meta.url)
    const names = readdirSync(docs).filter((name) => name.endsWith('.md'))
    const pages = names.map((name) => readFileSync(new URL(name, docs), 'utf8'))
    const readme = readFileSync(new URL('../README.md', docs), 'utf8')
    const shown = [readme, ...pages].flatMap((page) =>
      [...page.matchAll(/^(?:\$ )?(?:espalier|node dist\/cli\.js) ([a-z]+)/gm)].map(
        ([, verb]) => verb,
      ),
    )
    expect(shown.length).toBeGreaterThan(20)
    expect(shown.filter((verb) => !VERBS.includes(verb!))).toEqual([])
  })

  it('shows help on stderr where no command is named', async () => {
    const run = await runCommand([], { boot })
    expect(run).toMatchObject({ code: 2, stdout: '' })
    expect(run.stderr).toContain('Usage: espalier')
  })

  it.each([
    [['embde'], "espalier: unknown command 'embde' (Did you mean embed?)\n"],
    [['embed'], "espalier: missing required argument 'file'\n"],
    [
      ['embed', 'a.csv', '--outptu', 'x'],
      "espalier: unknown option '--outptu' (Did you mean --output?)\n",
    ],
    [
      ['embed', 'a.csv', '--batch', '0'],
      "espalier: option '--batch <rows>' argument '0' is invalid. It must be a whole number from 1 to 65536.\n",
    ],
    [
      ['embed', 'a.csv', '--precision', 'int4'],
      "espalier: option '--precision <precision>' argument 'int4' is invalid. It must be one of float32, float16, int8.\n",
    ],
    [
      ['train', 'a.csv', '--nmae', 'a'],
      "espalier: unknown option '--nmae' (Did you mean --name?)\n",
    ],
    [['train', 'a.csv'], "espalier: required option '--name <name>' not specified\n"],
    [['bulk', 'a'], "espalier: required option '-o, --output <place>' not specified\n"],
    [
      ['embed', '-'],
      'espalier: stdin: say what comes in, with --format csv|tsv|jsonl|txt|parquet|xlsx\n',
    ],
    [
      ['embed', '-', '--to', 'npy'],
      'espalier: --to npy needs --output FILE: its header is written last\n',
    ],
    [
      ['embed', '-', '--keep', 'id,text'],
      'espalier: --keep text: each line has "text" of its own\n',
    ],
    [
      ['models', 'extra'],
      "espalier: too many arguments for 'models'. Expected 0 arguments but got 1.\n",
    ],
  ])('says what is wrong with %j in one line, exit code 2', async (argv, stderr) => {
    expect(await runCommand(argv, { boot })).toEqual({ code: 2, stdout: '', stderr })
  })
})

describe('failures', () => {
  const failing = (error: Error, logLevel = 'info') => ({
    ...createFakeBoot({ env: { ESPALIER_LOG_LEVEL: logLevel } }),
    listModels: () => Promise.reject(error),
  })

  it.each(ERROR_CODES)('maps %s to its exit code, in one line', async (code) => {
    const run = await runCommand(['models'], {
      boot: failing(new EspalierError(code, 'two\nlines')),
    })
    expect(run).toEqual({ code: EXIT_CODES[code], stdout: '', stderr: 'espalier: two lines\n' })
  })

  it('keeps the stack for ESPALIER_LOG_LEVEL=debug', async () => {
    const error = new Error('boom')
    const plain = await runCommand(['models'], { boot: failing(error) })
    expect(plain).toEqual({ code: 1, stdout: '', stderr: 'espalier: unexpected failure: boom\n' })
    const { stderr } = await runCommand(['models'], { boot: failing(error, 'debug') })
    expect(stderr).toContain(error.stack)
  })

  it('reports a wrong setting as usage', async () => {
    const wrong = () => Promise.reject(new EspalierError('invalid_config', 'PORT is "x"; …'))
    expect(await runCommand(['models'], { boot: wrong })).toEqual({
      code: 2,
      stdout: '',
      stderr: 'espalier: PORT is "x"; …\n',
    })
  })
})

describe('models', () => {
  const models = [
    {
      name: 'all-MiniLM-L6-v2',
      kind: 'embedding',
      source: 'built-in',
      versions: [1],
      aliases: { champion: 1 },
      traffic: null,
      shadow: null,
      bytes: 46_000_000,
      family: 'a'.repeat(64),
      dimension: 384,
      labels: null,
      broken: null,
    },
    {
      name: 'intent',
      kind: 'classifier',
      source: 'registry',
      versions: [1, 2, 5],
      aliases: { champion: 2, challenger: 5 },
      traffic: [
        { version: 2, percent: 90 },
        { version: 5, percent: 10 },
      ],
      shadow: { version: 1, samplePercent: 5 },
      bytes: 50_000,
      family: 'a'.repeat(64),
      dimension: null,
      labels: 7,
      broken: null,
    },
  ] as const

  it('prints a table', async () => {
    const { stdout } = await runCommand(['models'], { boot: createFakeBoot({ models }) })
    expect(stdout).toBe(
      [
        'NAME              KIND        VERSIONS   ALIASES                    TRAFFIC                OUTPUT          SIZE     SOURCE',
        'all-MiniLM-L6-v2  embedding   v1         champion=v1                -                      384 dimensions  46.0 MB  built-in',
        'intent            classifier  v1…v5 (3)  champion=v2 challenger=v5  v2=90 v5=10 shadow v1  7 labels        50.0 KB  registry',
        '',
      ].join('\n'),
    )
    expect((await runCommand(['models'], { boot })).stdout).toBe('no models\n')
  })

  it('prints JSON', async () => {
    const { stdout } = await runCommand(['models', '--json'], { boot: createFakeBoot({ models }) })
    expect(JSON.parse(stdout)).toEqual(models)
  })
})

describe('export', () => {
  it('hands its options over and says what was made', async () => {
    const fake = createFakeBoot()
    const argv = [
      'export',
      'some/folder',
      '--precision',
      'int8,float32,int8',
      '--max-tokens',
      '128',
    ]
    const run = await runCommand([...argv, '--pooling', 'cls', '--name', 'mine'], { boot: fake })
    expect(fake.exported[0]).toMatchObject({
      folder: 'some/folder',
      output: 'folder-encoder',
      precisions: ['int8', 'float32'],
      maxTokens: 128,
      pooling: 'cls',
      name: 'mine',
    })
    expect(run).toMatchObject({ code: 0, stderr: '' })
    expect(run.stdout).toBe(
      'folder-encoder: mine (bert, 8 dimensions, 16 tokens, mean pooling), graphs: int8, float32\n',
    )
    const json = await runCommand(['export', 'f', '-o', 'out', '--json'], { boot: fake })
    expect(JSON.parse(json.stdout)).toMatchObject({ kind: 'embedding' })
  })
})

describe('serve', () => {
  it('prints its address and a call to try, and ends with the signal', async () => {
    const abort = new AbortController()
    abort.abort('SIGTERM')
    const run = await runCommand(['serve', '--port', '9000'], { boot, signal: abort.signal })
    expect(run).toEqual({
      code: 0,
      stdout:
        'Espalier listens on http://0.0.0.0:9000\n' +
        "  curl -s http://127.0.0.1:9000/embed -H 'content-type: application/json' " +
        '-d \'{"inputs": "A cat sleeps."}\'\n',
      stderr: '',
    })
  })
})
