// Bundles every entry point into dist/. The worker is an entry of its own: its URL is handed to the pool,
// because a TypeScript worker cannot be loaded on Node 20.
import { rmSync } from 'node:fs'
import { build } from 'esbuild'

rmSync('dist', { recursive: true, force: true })
await build({
  entryPoints: {
    cli: 'functions/cli/main.ts',
    'encoder-worker': 'shared/runtime/worker.ts',
    bench: 'test/bench/main.ts',
  },
  outdir: 'dist',
  bundle: true,
  splitting: true,
  chunkNames: 'chunks/[name]-[hash]',
  platform: 'node',
  format: 'esm',
  target: 'node20',
  packages: 'external',
  sourcemap: true,
  logLevel: 'warning',
})
