import { defineConfig } from 'vitest/config';

// `npm run test:package`: the tarball, installed as a user installs it. Needs the prebuilt addon and the npm registry.
export default defineConfig({
  test: {
    root: new URL('../../..', import.meta.url).pathname,
    include: ['test/package/installed/*.spec.ts'],
    testTimeout: 120_000,
    hookTimeout: 300_000,
    maxWorkers: 1,
    reporters: ['verbose', './test/summary-reporter.ts'],
  },
});
