import { createRequire } from 'node:module';

/** Version of this package. */
export function packageVersion(): string {
  const manifest = createRequire(import.meta.url)('cvm-guest-attestation/package.json') as { version: string };
  return manifest.version;
}
