import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vitest/config';

const source = (path: string): string => fileURLToPath(new URL(path, import.meta.url));

export default defineConfig({
  resolve: {
    // Examples import the package by its name; their tests run them on the sources.
    alias: [
      { find: /^cvm-guest-attestation\/verify$/, replacement: source('lib/verify.ts') },
      { find: /^cvm-guest-attestation\/simulator$/, replacement: source('lib/simulator/index.ts') },
      { find: /^cvm-guest-attestation\/relying-party$/, replacement: source('lib/relying-party/index.ts') },
      { find: /^cvm-guest-attestation$/, replacement: source('lib/index.ts') },
    ],
  },
  test: {
    include: ['test/**/*.test.ts'],
    // Packages and servers of their own: npm run test:servers, npm run test:azure-sdk.
    exclude: ['test/servers/**', 'test/azure-sdk/**', '**/node_modules/**'],
    globalSetup: ['./test/simulator-keys.ts'],
    setupFiles: [
      ...(process.env.SANITIZED_NODE ? ['./test/sanitized-node.ts'] : []),
      ...(process.env.SANITIZER_CHECK ? ['./test/check-leaks.ts'] : []),
    ],
    pool: 'forks',
    // Two cores: more files at once only makes every timing assertion worse.
    maxWorkers: 2,
    testTimeout: 30_000,
    hookTimeout: 60_000,
    reporters: ['default', './test/summary-reporter.ts'],
  },
});
