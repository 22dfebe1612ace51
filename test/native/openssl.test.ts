import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { native } from '../../lib/native.js';

const read = (path: string) => readFileSync(new URL(`../../${path}`, import.meta.url), 'utf8');
const version = /^CGA_OPENSSL_VERSION=(\S+)$/m.exec(read('cmake/openssl.env'))?.[1] as string;

const { compareVersions, unfixed } = (await import('../../scripts/openssl-advisories.mjs' as string)) as {
  compareVersions: (a: string, b: string) => number;
  unfixed: (version: string) => { id: string }[];
};

describe('the OpenSSL inside the addon', () => {
  it.skipIf(process.env.CGA_SYSTEM_OPENSSL === '1')('is the version that cmake/openssl.env names', () => {
    expect(native().opensslVersion).toBe(version.split('-')[0]);
  });

  it('has no known advisory unfixed', () => {
    expect(unfixed(version)).toEqual([]);
  });

  it('is refused when it lacks a fix: Debian’s 3.5.7-1~deb13u2 lacks that of CVE-2026-35189', () => {
    expect(unfixed('3.5.7-1~deb13u2').map(({ id }) => id)).toContain('CVE-2026-35189');
    expect(unfixed('3.5.7-1~deb13u3')).toEqual([]);
  });

  it('splits messages between cores: its kernels on this processor pass the self-test', () => {
    expect(native().parallel).toBe(true);
  });
});

describe('compareVersions', () => {
  it('orders versions as dpkg does', () => {
    const ascending = [
      '3.0.22-1~deb12u2',
      '3.5.7-1~deb13u2',
      '3.5.7-1~deb13u3',
      '3.5.7-1',
      '3.5.9-1~deb13u1',
      '3.5.10-1',
      '3.6.3-1',
    ];
    for (const [i, a] of ascending.entries()) {
      for (const [j, b] of ascending.entries()) expect(Math.sign(compareVersions(a, b))).toBe(Math.sign(i - j));
    }
  });
});
