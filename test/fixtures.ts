import { existsSync, readFileSync } from 'node:fs';

const root = new URL('../../shared/fixtures/', import.meta.url);

/** Whether the genuine evidence is at hand: tests that need it are skipped elsewhere. */
export const withFixtures = existsSync(root);

/** Bytes of one of the files under ../shared/fixtures. */
export const fixture = (path: string): Buffer => readFileSync(new URL(path, root));
