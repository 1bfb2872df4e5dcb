// What `npm pack` and `npm publish` do first: build dist/ as it is shipped, and carry ONNX Runtime in native/.
import { rmSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { bundleProgram } from '../../bundle.mjs'
import { carryRuntime } from './carry-runtime.mjs'
import { writeDeclarations } from './declarations.mjs'

/** Those of Windows, with DirectML, would make the package larger than 100 MB: see docs/library.md. */
const MACHINES = ['linux/x64', 'linux/arm64', 'darwin/arm64']

const root = fileURLToPath(new URL('../../', import.meta.url))
process.chdir(root)
for (const folder of ['dist', 'native']) rmSync(folder, { recursive: true, force: true })
await bundleProgram('dist')
writeDeclarations('dist')
carryRuntime('.', MACHINES)
