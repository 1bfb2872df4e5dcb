// `npm run test:cdk-package`: packs espalier-cdk, installs the tarball into an empty folder beside the CDK, and
// synthesises the example there. Asks the network for packages of the registry alone. Ends with 1 where it fails.
import { execFileSync } from 'node:child_process'
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import process from 'node:process'
import { fileURLToPath } from 'node:url'

const LONGEST_STEP_MS = 600_000

const root = fileURLToPath(new URL('../../', import.meta.url))
const cdk = join(root, 'cdk')
const work = mkdtempSync(join(tmpdir(), 'espalier-cdk-package-'))
/** Nothing that npm set for this process may reach the strange folder. */
const env = Object.fromEntries(
  Object.entries(process.env).filter(
    ([name]) => !/^(?:npm_|NODE_(?:ENV|OPTIONS|PATH)$|ESPALIER_|INIT_CWD)/i.test(name),
  ),
)

function check(isTrue, what) {
  if (!isTrue) throw new Error(`not proved: ${what}`)
  console.log(`ok: ${what}`)
}

function run(program, args, cwd, more = {}) {
  console.log(`$ ${[program, ...args].join(' ')}`)
  const shell = process.platform === 'win32' && program === 'npm'
  const options = { cwd, env: { ...env, ...more }, timeout: LONGEST_STEP_MS, encoding: 'utf8' }
  return execFileSync(program, args, { ...options, shell, maxBuffer: 1 << 26 })
}

function prove() {
  run('npm', ['ci', '--no-audit', '--no-fund', '--prefer-offline'], cdk)
  run('npm', ['pack', '--silent', '--pack-destination', work], cdk)
  const tarball = readdirSync(work).find((name) => name.endsWith('.tgz'))
  const { peerDependencies } = JSON.parse(readFileSync(join(cdk, 'package.json'), 'utf8'))
  const peers = Object.entries(peerDependencies).map(([name, range]) => `${name}@${range}`)
  writeFileSync(join(work, 'package.json'), '{ "type": "module" }\n')
  const install = ['install', `./${tarball}`, ...peers, '--no-audit', '--no-fund']
  run('npm', [...install, '--prefer-offline'], work)

  cpSync(join(root, 'examples/cdk'), work, { recursive: true })
  run(process.execPath, ['app.mjs'], work, { CDK_OUTDIR: join(work, 'out') })
  const template = JSON.parse(readFileSync(join(work, 'out/Embeddings.template.json'), 'utf8'))
  const resources = Object.values(template.Resources)
  const code = resources.find(({ Type }) => Type === 'AWS::Lambda::Function')?.Properties?.Code
  check(JSON.stringify(code?.ImageUri).includes('sha256:0000'), 'the function runs the image')
  check(
    resources.some(({ Type }) => Type === 'AWS::S3::Bucket'),
    'there is a bucket of models',
  )

  writeFileSync(
    join(work, 'events.mjs'),
    `import { App, Stack } from 'aws-cdk-lib'
    import { ModelEvents, ModelStore } from 'espalier-cdk'
    const stack = new Stack(new App(), 'Told')
    new ModelEvents(stack, 'Events', { store: new ModelStore(stack, 'Models') })
    stack.node.root.synth()`,
  )
  run(process.execPath, ['events.mjs'], work, { CDK_OUTDIR: join(work, 'told') })
  const assets = readdirSync(join(work, 'told')).filter((name) => name.startsWith('asset.'))
  const hasCode = assets.some((name) =>
    readdirSync(join(work, 'told', name)).includes('handler.mjs'),
  )
  check(hasCode, 'the package has the code of the function that tells of changes')

  // Without an image it says what it needs: the package brings no sources to build one from.
  const source = readFileSync(join(work, 'app.mjs'), 'utf8')
  const unnamed = `ServiceImage.fromSource({ target: 'cpu', architecture: 'x86_64' })`
  writeFileSync(
    join(work, 'unnamed.mjs'),
    source.replace(/ServiceImage\.fromDigest\([\s\S]*?\n\)/, unnamed),
  )
  let told = ''
  try {
    run(process.execPath, ['unnamed.mjs'], work)
  } catch (error) {
    told = String(error.stderr)
  }
  check(/there is no infra\/docker\/Dockerfile in .*image\.cpu=/.test(told), 'it asks for an image')

  const use = `
    import { App, Stack } from 'aws-cdk-lib'
    import { ModelStore, type ServiceSettings } from 'espalier-cdk'
    const settings: ServiceSettings = { logLevel: 'warn', pollSeconds: 5 }
    // @ts-expect-error there is no such setting
    const wrong: ServiceSettings = { logLevels: 'warn' }
    console.log(new ModelStore(new Stack(new App(), 'A'), 'B').registryUrl, settings, wrong)
  `
  writeFileSync(join(work, 'use.ts'), use)
  const compilerOptions = {
    ...{ strict: true, noEmit: true, skipLibCheck: true, module: 'nodenext', target: 'es2023' },
    ...{ types: ['node'], typeRoots: [join(root, 'node_modules/@types')] },
  }
  writeFileSync(join(work, 'tsconfig.json'), JSON.stringify({ compilerOptions, files: ['use.ts'] }))
  run(process.execPath, [join(root, 'node_modules/typescript/bin/tsc'), '-p', work], work)
  check(true, 'the types stand alone')
}

try {
  prove()
  console.log('proved: the package of the constructs')
} catch (error) {
  console.error(error, error.stdout ?? '', error.stderr ?? '')
  process.exitCode = 1
} finally {
  rmSync(work, { recursive: true, force: true, maxRetries: 5 })
}
