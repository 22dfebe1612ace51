import type { Reporter, TestModule } from 'vitest/node';

/**
 * Closes a run with one plain line that any CI can read. Before it come the files that did not get to their end: of a
 * process that died, vitest says that it died, and not what it was running.
 */
export default class SummaryReporter implements Reporter {
  onTestRunEnd(modules: readonly TestModule[]): void {
    const count = { passed: 0, failed: 0, skipped: 0, pending: 0 };
    for (const module of modules) {
      const cut: string[] = [];
      for (const test of module.children.allTests()) {
        const { state } = test.result();
        count[state]++;
        if (state === 'pending') cut.push(test.fullName);
      }
      if (module.errors().length > 0) count.failed++;
      if (cut.length > 0) console.log(`${module.relativeModuleId} ended before ${cut.length} tests, first: ${cut[0]}`);
    }
    console.log(`${count.passed} passed, ${count.failed + count.pending} failed, ${count.skipped} skipped`);
  }
}
