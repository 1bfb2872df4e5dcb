// carry-runtime.mjs FOLDER [MACHINE…]: copies the native libraries of ONNX Runtime from onnxruntime-node to
// FOLDER/native, with their licence, for these machines (linux/x64 …) or for this one. The package itself would bring
// an install script that downloads CUDA, 300 MB; what is copied here installs nothing.
import { copyFileSync, existsSync, mkdirSync, readdirSync } from 'node:fs'
import { basename, join } from 'node:path'
import process from 'node:process'
import { fileURLToPath, pathToFileURL } from 'node:url'

const root = new URL('../../', import.meta.url)
const BINARIES = fileURLToPath(new URL('node_modules/onnxruntime-node/bin/napi-v6/', root))
const LICENCES = fileURLToPath(new URL('infra/package/licenses/', root))

/**
 * What the binding never asks for by itself: Apple's library a second time, under its full version, and what only
 * DirectML and WebGPU use.
 */
const LEFT_OUT = /\.\d+\.\d+\.\d+\.dylib$|^(?:DirectML|dxcompiler|dxil)\.dll$/

/** Copies the libraries for each of the machines; throws where onnxruntime-node has none. */
export function carryRuntime(folder, machines) {
  for (const machine of machines) {
    const source = join(BINARIES, machine)
    if (!existsSync(source)) throw new Error(`onnxruntime-node has no libraries for ${machine}`)
    const target = join(folder, 'native', machine)
    mkdirSync(target, { recursive: true })
    for (const name of readdirSync(source)) {
      if (!LEFT_OUT.test(name)) copyFileSync(join(source, name), join(target, name))
    }
  }
  for (const name of readdirSync(LICENCES).filter((each) => each.startsWith('onnxruntime'))) {
    copyFileSync(join(LICENCES, name), join(folder, 'native', basename(name)))
  }
}

if (process.argv[1] && import.meta.url === pathToFileURL(process.argv[1]).href) {
  const [, , folder, ...machines] = process.argv
  carryRuntime(folder, machines.length > 0 ? machines : [`${process.platform}/${process.arch}`])
}
