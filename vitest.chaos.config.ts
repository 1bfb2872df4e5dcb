import { defineConfig } from 'vitest/config'

export default defineConfig({
  test: {
    include: ['test/chaos/**/*.chaos.test.ts'],
    pool: 'forks',
    // Times are measured: nothing else runs beside a test.
    maxWorkers: 1,
    fileParallelism: false,
    // As functions/boot does.
    env: { AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED: 'true' },
    testTimeout: 300_000,
    hookTimeout: 300_000,
  },
})
