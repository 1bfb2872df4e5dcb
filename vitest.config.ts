import { defineConfig } from 'vitest/config'

/** Tests with a configuration of their own. */
const APART = 'test/**/*.{long,chaos}.test.ts'

export default defineConfig({
  test: {
    // Worker threads inside tests own ONNX Runtime sessions: a forked process ends cleanly where a thread would not.
    pool: 'forks',
    maxWorkers: 2,
    // As functions/boot does.
    env: { AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED: 'true' },
    // What only bundles run (workers, processes of the command line) does not count. The numeric rooms are left out:
    // counters would make their loops three times as slow.
    coverage: {
      provider: 'istanbul',
      include: ['functions/**/*.ts', 'shared/**/*.ts'],
      exclude: ['shared/{exporter,finetune,onnx,runtime,training}/**'],
      reporter: ['text-summary', 'json-summary', 'html'],
      reportOnFailure: true,
    },
    testTimeout: 60_000,
    hookTimeout: 120_000,
    projects: [
      {
        extends: true,
        test: {
          name: 'parts',
          include: ['test/{api,architecture,chaos,fuzz,unit}/**/*.test.ts'],
          exclude: [APART],
          // No module has a state of its own, so that files may share what they have imported: a quarter less time.
          isolate: false,
        },
      },
      {
        extends: true,
        test: {
          name: 'whole',
          include: ['test/integration/**/*.test.ts'],
          exclude: [APART],
          globalSetup: 'test/bundle-setup.ts',
        },
      },
    ],
  },
})
