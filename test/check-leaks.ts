import { createRequire } from 'node:module';
import { afterAll } from 'vitest';

// Loaded under AddressSanitizer alone (scripts/test-sanitize.sh): has leaks looked for after each test file.
const addon = process.env.SANITIZER_CHECK;
if (addon === undefined) throw new Error('SANITIZER_CHECK names no addon');
const { checkLeaks } = createRequire(import.meta.url)(addon) as { checkLeaks(): void };
afterAll(() => checkLeaks());
