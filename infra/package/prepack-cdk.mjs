// What `npm pack` does first in cdk/: compiles the constructs to cdk/dist, with declarations that need nothing of
// the service, and bundles the function that tells of changes of models. The one type that they take from it, the names of
// its settings, is written out.
import { cpSync, mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join, relative, sep } from 'node:path'
import { fileURLToPath } from 'node:url'
import ts from 'typescript'
import { bundleEvents } from '../../bundle.mjs'

const root = fileURLToPath(new URL('../../', import.meta.url))
const cdk = join(root, 'cdk')
const dist = join(cdk, 'dist')
const SETTINGS_FILE = 'constructs/environment'

const { config } = ts.readConfigFile(join(cdk, 'tsconfig.json'), ts.sys.readFile)
const { options } = ts.parseJsonConfigFileContent(config, ts.sys, cdk)
const program = ts.createProgram([join(cdk, 'index.ts')], {
  ...options,
  noEmit: false,
  declaration: true,
  rewriteRelativeImportExtensions: true,
  rootDir: root,
  outDir: dist,
})
const problems = ts.getPreEmitDiagnostics(program)
if (problems.length > 0) {
  const host = {
    getCanonicalFileName: (path) => path,
    getCurrentDirectory: () => root,
    getNewLine: () => '\n',
  }
  console.error(ts.formatDiagnostics(problems, host))
  process.exit(1)
}

/** The type of this name in a source, written out. */
function spellOut(file, name) {
  const checker = program.getTypeChecker()
  const source = program.getSourceFile(join(cdk, `${file}.ts`))
  const node = source.statements.find(
    (each) => ts.isTypeAliasDeclaration(each) && each.name.text === name,
  )
  const flags = ts.TypeFormatFlags.NoTruncation | ts.TypeFormatFlags.InTypeAlias
  return checker.typeToString(checker.getTypeAtLocation(node), undefined, flags)
}

rmSync(dist, { recursive: true, force: true })
program.emit(undefined, (path, text) => {
  const place = relative(join(dist, 'cdk'), path).split(sep).join('/')
  if (place.startsWith('..')) return
  let content = text
  if (place.endsWith('.d.ts')) {
    content = text.replaceAll(/(from '\.[^']*)\.ts'/g, "$1.js'")
    if (place === `${SETTINGS_FILE}.d.ts`) {
      content = content
        .replace(/^import .*\n/, '')
        .replace(/type Setting = [^;]*;/, `type Setting = ${spellOut(SETTINGS_FILE, 'Setting')};`)
    }
  }
  if (/from '(?:\.\.\/)+shared/.test(content)) throw new Error(`${place} needs the service`)
  mkdirSync(dirname(join(dist, place)), { recursive: true })
  writeFileSync(join(dist, place), content)
})
await bundleEvents(join(dist, 'events'))
cpSync(join(root, 'LICENSE'), join(dist, 'LICENSE'))
