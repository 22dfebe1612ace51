import { defineConfig, mergeConfig } from 'vitest/config';
import base from '../../vitest.config.js';

const { exclude: _, ...test } = base.test ?? {};

export default mergeConfig(
  { ...base, test: { ...test, include: [] } },
  defineConfig({ test: { include: ['test/servers/**/*.test.ts'], maxWorkers: 1, testTimeout: 60_000 } }),
);
