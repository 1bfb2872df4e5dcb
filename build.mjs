// Builds dist/: the program as it is shipped, the benchmark beside it, and the functions of events of models.
// `node build.mjs events` builds those alone.
import { rmSync } from 'node:fs'
import { argv } from 'node:process'
import { build } from 'esbuild'
import { bundleEvents, bundleProgram } from './bundle.mjs'

const EVENTS = 'dist/events'

if (argv[2] === 'events') {
  rmSync(EVENTS, { recursive: true, force: true })
  await bundleEvents(EVENTS)
} else {
  rmSync('dist', { recursive: true, force: true })
  await Promise.all([
    bundleProgram('dist', { sourcemap: true }),
    bundleEvents(EVENTS),
    build({
      entryPoints: { bench: 'test/bench/main.ts' },
      outdir: 'dist',
      bundle: true,
      platform: 'node',
      format: 'esm',
      target: 'node20',
      packages: 'external',
      sourcemap: true,
      logLevel: 'warning',
    }),
  ])
}
