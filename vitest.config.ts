import { defineConfig } from 'vitest/config'

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    exclude: ['**/node_modules/**', 'test/conformance/**', 'test/cdk/**', 'test/**/*.long.test.ts'],
    // Worker threads inside tests own ONNX Runtime sessions: a forked process ends cleanly where a thread would not.
    pool: 'forks',
    maxWorkers: 2,
    // As functions/boot does.
    env: { AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED: 'true' },
    // For `npm run coverage`. What only bundles run (workers, processes of the command line) does not count.
    coverage: {
      provider: 'v8',
      include: ['functions/**/*.ts', 'shared/**/*.ts'],
      reporter: ['text-summary', 'json-summary', 'html'],
      reportOnFailure: true,
    },
    testTimeout: 60_000,
    hookTimeout: 120_000,
  },
})
