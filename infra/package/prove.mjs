// `npm run test:package [-- --node=22 --npm=10 --tarball=FILE --keep=FOLDER]`: packs the package, installs the tarball into an empty
// folder as a stranger does, and runs the examples there: the library, the command and the client. Checks that nothing
// was downloaded beside packages and that the types stand alone. With --node and --npm other versions do it, which come
// from the registry as packages. Asks the network for packages of the registry alone. Ends with 1 where it fails.
import { execFileSync, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import process from 'node:process'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'

const MAX_BYTES = 100_000_000
const LONGEST_STEP_MS = 600_000

const root = fileURLToPath(new URL('../../', import.meta.url))
const { values } = parseArgs({
  options: {
    node: { type: 'string' },
    npm: { type: 'string' },
    keep: { type: 'string' },
    tarball: { type: 'string' },
  },
})
const work = values.keep ?? mkdtempSync(join(tmpdir(), 'espalier-package-'))
const app = join(work, 'app')
mkdirSync(app, { recursive: true })
const isWindows = process.platform === 'win32'
/** Nothing that npm or the clone set for this process may reach the strange folder. */
const env = {
  ...Object.fromEntries(
    Object.entries(process.env).filter(
      ([name]) => !/^(?:npm_|NODE_(?:ENV|OPTIONS|PATH)$|ESPALIER_|INIT_CWD)/i.test(name),
    ),
  ),
  ESPALIER_CACHE: join(work, 'cache'),
}

function check(isTrue, what) {
  if (!isTrue) throw new Error(`not proved: ${what}`)
  console.log(`ok: ${what}`)
}

/** Runs a program; gives what it printed. */
function run(program, args, cwd) {
  console.log(`$ ${[program, ...args].join(' ')}`)
  const options = { cwd, env, timeout: LONGEST_STEP_MS, encoding: 'utf8', maxBuffer: 1 << 26 }
  // npm is a script there, which only a shell can start.
  return execFileSync(program, args, { ...options, shell: isWindows && program === 'npm' })
}

/** A version of Node or npm, as a package. */
function fetchTool(spec, file) {
  const folder = join(work, 'tools')
  mkdirSync(folder, { recursive: true })
  run('npm', ['install', '--no-audit', '--no-fund', '--ignore-scripts', `tool@npm:${spec}`], folder)
  const target = join(work, spec.replace(/\W/g, '-'))
  cpSync(join(folder, 'node_modules/tool'), target, { recursive: true })
  return join(target, file)
}

function prove() {
  const machine = `${isWindows ? 'win' : process.platform}-${process.arch}`
  const node = values.node
    ? fetchTool(`node-${machine}@${values.node}`, isWindows ? 'bin/node.exe' : 'bin/node')
    : process.execPath
  const npm = values.npm ? [node, fetchTool(`npm@${values.npm}`, 'bin/npm-cli.js')] : ['npm']
  const npmVersion = run(npm[0], [...npm.slice(1), '--version'], work).trim()
  console.log(`Node ${run(node, ['--version'], work).trim()}, npm ${npmVersion}`)

  const tarball = values.tarball ?? pack()
  const { size } = statSync(tarball)
  check(size <= MAX_BYTES, `the tarball has ${(size / 1e6).toFixed(1)} MB, of 100 allowed`)

  writeFileSync(join(app, 'package.json'), '{ "type": "module" }\n')
  // Windows takes ONNX Runtime from its own package, which downloads nothing there.
  const { peerDependencies } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))
  const beside = isWindows ? [`onnxruntime-node@${peerDependencies['onnxruntime-node']}`] : []
  const install = ['install', tarball, ...beside, '--no-audit', '--no-fund', '--foreground-scripts']
  run(npm[0], [...npm.slice(1), ...install], app)
  const installed = JSON.parse(readFileSync(join(app, 'node_modules/.package-lock.json'), 'utf8'))
  const scripted = Object.entries(installed.packages).filter(([, entry]) => entry.hasInstallScript)
  check(isWindows || scripted.length === 0, 'no package that was installed has an install script')
  console.log(`installed: ${Object.keys(installed.packages).join(', ')}`)

  const command = join(app, 'node_modules/.bin', isWindows ? 'espalier.cmd' : 'espalier')
  check(existsSync(command), 'the command is linked')
  proveTypes()
  cpSync(join(root, 'examples'), app, { recursive: true })
  const library = run(node, ['library.mjs'], app)
  console.log(library)
  check(/-> PlayMusic/.test(library) && /empty_input: inputs\[1\]/.test(library), 'the library')
  return node
}

function pack() {
  const printed = run('npm', ['pack', '--json', '--silent', '--pack-destination', work], root)
  const [packed] = JSON.parse(printed.slice(printed.indexOf('[')))
  const paths = packed.files.map(({ path }) => path)
  for (const licence of ['onnxruntime-LICENSE.txt', 'onnxruntime-ThirdPartyNotices.txt']) {
    check(paths.includes(`native/${licence}`), `it brings ${licence}`)
  }
  return join(work, packed.filename)
}

/** A program that uses every entry, under the strictest settings, without the types of the clone. */
function proveTypes() {
  const source = `
    import { createEspalier, type Espalier, EspalierError, type Prediction } from 'espalier'
    import { createClient, type EspalierClient, EspalierClientError, type Model } from 'espalier/client'
    const espalier: Espalier = await createEspalier({ registry: 'memory:' })
    const { predictions } = await espalier.classify(['a'], { model: 'intent' })
    const first: Prediction | undefined = predictions[0]
    const client: EspalierClient = createClient({ baseUrl: 'http://127.0.0.1:8080' })
    const models: readonly Model[] = await client.models()
    const vectors: readonly Float32Array[] = (await client.embed('a')).embeddings
    const codes: string[] = [new EspalierError('internal', 'a').code, new EspalierClientError('b', 'c').code]
    console.log(first?.label, models, vectors, codes)
    // @ts-expect-error there is no such option
    await createEspalier({ registri: 'memory:' })
  `
  writeFileSync(join(app, 'use.ts'), source)
  const compilerOptions = {
    ...{ strict: true, noEmit: true, skipLibCheck: false, exactOptionalPropertyTypes: true },
    ...{ module: 'nodenext', target: 'es2023', types: ['node'] },
    typeRoots: [join(root, 'node_modules/@types')],
  }
  writeFileSync(join(app, 'tsconfig.json'), JSON.stringify({ compilerOptions, files: ['use.ts'] }))
  run(process.execPath, [join(root, 'node_modules/typescript/bin/tsc'), '-p', app], app)
  check(true, 'the types stand alone')
}

/** Starts the command as npm linked it, and calls it with the client. */
async function proveServer(node) {
  const cli = join(app, 'node_modules/espalier/dist/cli.js')
  const server = spawn(node, [cli, 'serve', '--port', '0', '--quiet'], { cwd: app, env })
  const ended = once(server, 'exit')
  try {
    const [first] = await Promise.race([once(server.stdout, 'data'), ended])
    const url = /http:\S+/.exec(String(first))?.[0]
    check(url, 'the command serves')
    const client = run(node, ['client.mjs', url], app)
    console.log(client)
    check(/3000 vectors of 384/.test(client) && /404 model_not_found/.test(client), 'the client')
  } finally {
    server.kill('SIGTERM')
    await ended
  }
}

/** A machine that the package carries no libraries for, as it meets a user. */
function proveMissing(node) {
  const native = join(app, 'node_modules/espalier/native')
  writeFileSync(join(app, 'text.txt'), 'a text\n')
  renameSync(native, `${native}-away`)
  const args = [join(app, 'node_modules/espalier/dist/cli.js'), 'embed', 'text.txt']
  const { stderr } = spawnSync(node, args, { cwd: app, env, timeout: LONGEST_STEP_MS })
  renameSync(`${native}-away`, native)
  check(/npm install onnxruntime-node@/.test(stderr), 'it says what is missing elsewhere')
}

try {
  const node = prove()
  await proveServer(node)
  if (!isWindows) proveMissing(node)
  console.log('proved: the package')
} catch (error) {
  console.error(error, error.stdout ?? '', error.stderr ?? '')
  process.exitCode = 1
} finally {
  if (!values.keep) rmSync(work, { recursive: true, force: true, maxRetries: 5 })
}
