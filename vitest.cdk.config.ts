import { defineConfig } from 'vitest/config'

export default defineConfig({
  test: {
    include: ['test/cdk/*.test.ts'],
    pool: 'forks',
    // The CDK is imported once for each worker, not for each file.
    isolate: false,
    maxWorkers: 2,
    testTimeout: 300_000,
    hookTimeout: 300_000,
  },
})
