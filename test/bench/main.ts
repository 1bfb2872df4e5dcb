import { dirname, join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { isMainThread } from 'node:worker_threads'
import { ROLES } from './contestants/own.ts'

/**
 * `dist/bench.js` is the bench and every process that it starts; each loads only what it needs, so that a load
 * client does not carry an engine.
 */
const script = fileURLToPath(import.meta.url)
const root = join(dirname(script), '..')

async function runRole(role: string, json: string): Promise<void> {
  if (role === ROLES.client) {
    const { serveClient } = await import('./http/serve-client.ts')
    serveClient()
  } else if (role === ROLES.matrix) {
    const { serveMatrix } = await import('./matrix/serve-matrix.ts')
    await serveMatrix(JSON.parse(json), script)
  } else if (role === ROLES.steps) {
    const { serveSteps } = await import('./finetune/serve-steps.ts')
    await serveSteps(JSON.parse(json), pathToFileURL(`${root}/`))
  } else if (role === ROLES.images) {
    const { serveImages } = await import('./contestants/serve-images.ts')
    await serveImages(JSON.parse(json), pathToFileURL(`${root}/`))
  } else {
    const { serveEngine } = await import('./contestants/serve-engine.ts')
    await serveEngine(JSON.parse(json), pathToFileURL(`${root}/`))
  }
}

async function runCommand(args: readonly string[]): Promise<number> {
  const { parseOptions, USAGE } = await import('./options.ts')
  const say = (text: string) => void process.stderr.write(`${text}\n`)
  const print = (text: string) => void process.stdout.write(text)
  try {
    const options = parseOptions(args)
    if (options === null) {
      print(`${USAGE}\n`)
      return 0
    }
    const { runBench } = await import('./run-bench.ts')
    return await runBench(options, { root, env: process.env, print, say })
  } catch (error) {
    say(error instanceof Error ? error.message : String(error))
    return 2
  }
}

const [first = '', second = '{}'] = process.argv.slice(2)
if (!isMainThread) {
  const { runMatrixThread } = await import('./matrix/matrix-thread.ts')
  await runMatrixThread()
} else if (Object.values(ROLES).includes(first)) {
  await runRole(first, second)
} else {
  process.exitCode = await runCommand(process.argv.slice(2))
}
