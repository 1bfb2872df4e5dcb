import { spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, describe, expect, it } from 'vitest'
import { bundleProgram } from '../../../bundle.mjs'
import * as library from '../../../functions/library/index.ts'
import * as client from '../../../shared/client/client.ts'

const root = fileURLToPath(new URL('../../../', import.meta.url))
const readJson = (path: string) => JSON.parse(readFileSync(join(root, path), 'utf8'))
const work = mkdtempSync(join(tmpdir(), 'espalier-declarations-'))
afterAll(() => rmSync(work, { recursive: true, force: true }))

describe('the package', () => {
  it('depends on sharp alone, which has no install script', () => {
    const { dependencies, scripts } = readJson('package.json')
    expect(Object.keys(dependencies)).toEqual(['sharp'])
    for (const name of ['preinstall', 'install', 'postinstall', 'prepare']) {
      expect(scripts).not.toHaveProperty(name)
    }
    expect(readJson('package-lock.json').packages['node_modules/sharp'].hasInstallScript).toBe(
      undefined,
    )
  })

  // npm runs the script of a locked package only where the lock says that there is one: without that, `npm ci` of no
  // version downloads CUDA. `npm update onnxruntime-node` writes it again: remove it by hand.
  it('does not announce the install script of onnxruntime-node in the lock file', () => {
    const { packages } = readJson('package-lock.json')
    const entry = packages['node_modules/onnxruntime-node']
    expect(entry).toMatchObject({ dev: true, version: expect.any(String) })
    expect(entry).not.toHaveProperty('hasInstallScript')
    const { allowScripts, peerDependencies, devDependencies } = readJson('package.json')
    expect(allowScripts).toMatchObject({ 'onnxruntime-node': false })
    expect(peerDependencies['onnxruntime-node']).toBe(devDependencies['onnxruntime-node'])
    expect(entry.version).toBe(devDependencies['onnxruntime-node'])
  })

  it.each(['.', 'cdk'])('has no setting in %s that npm does not know', (folder) => {
    const { stderr, status } = spawnSync('npm prefix', {
      cwd: join(root, folder),
      shell: true,
      encoding: 'utf8',
    })
    expect(stderr).not.toMatch(/Unknown project config/)
    expect(status).toBe(0)
  })

  it('declares what its entries export, in files that import nothing', () => {
    const script = `import { writeDeclarations } from './infra/package/declarations.mjs'
      writeDeclarations(process.argv[1])`
    const args = ['--input-type=module', '--eval', script, work]
    expect(spawnSync(process.execPath, args, { cwd: root }).status).toBe(0)
    for (const [file, entry] of [
      ['index.d.ts', library],
      ['client.d.ts', client],
    ] as const) {
      const text = readFileSync(join(work, file), 'utf8')
      expect(text).not.toMatch(/\bimport\b[ (]|\bfrom '/)
      const declared = [...text.matchAll(/^export declare (?:class|function|const) (\w+)/gm)]
      expect(declared.map(([, name]) => name).sort()).toEqual(Object.keys(entry).sort())
    }
  }, 120_000)
})

describe('the licences', () => {
  it('have a text for every package in the bundles, and for the libraries of images', async () => {
    const folders = await bundleProgram(join(work, 'dist'))
    const file = readFileSync(join(work, 'dist', 'THIRD_PARTY_LICENSES.txt'), 'utf8')
    const sections = file.split(`\n\n${'-'.repeat(80)}\n\n`)
    expect(folders.length).toBeGreaterThan(40)
    for (const folder of folders) {
      const { name, version } = readJson(join(folder, 'package.json'))
      // Those of ONNX Runtime lie beside its libraries.
      if (name.startsWith('onnxruntime-')) continue
      const own = sections.find((section) => section.startsWith(`${name} ${version}, `))
      expect(own, name).toMatch(/permission|licen[cs]e/i)
      expect(own!.length, name).toBeGreaterThan(80)
    }
    expect(file).toContain('GNU LESSER GENERAL PUBLIC LICENSE')
    expect(file).toContain(readJson('package-lock.json').packages['node_modules/sharp'].version)
  })

  it('cannot be written while a package has no text', () => {
    const folder = join(work, 'silent')
    mkdirSync(folder)
    const manifest = { name: 'silent', version: '1.0.0', license: 'MIT' }
    writeFileSync(join(folder, 'package.json'), JSON.stringify(manifest))
    const script = `import { writeLicences } from './infra/package/licences.mjs'
      writeLicences([process.argv[1]], process.argv[2])`
    const args = ['--input-type=module', '--eval', script, relative(root, folder), join(work, 'no')]
    const { status, stderr } = spawnSync(process.execPath, args, { cwd: root, encoding: 'utf8' })
    expect(status).not.toBe(0)
    expect(stderr).toContain('silent (MIT) has no text of its licence')
  })
})
