// Builds dist/: the program as it is shipped, and the benchmark beside it.
import { rmSync } from 'node:fs'
import { build } from 'esbuild'
import { bundleProgram } from './bundle.mjs'

rmSync('dist', { recursive: true, force: true })
await Promise.all([
  bundleProgram('dist', { sourcemap: true }),
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
