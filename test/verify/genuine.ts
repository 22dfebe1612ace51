import type { Evidence } from '../../lib/index.js';
import { fixture } from '../fixtures.js';

/** A moment at which every genuine certificate is valid. */
export const NOW = new Date('2026-07-01T00:00:00Z');
/** What the genuine quotes were made for. */
export const NONCE = new TextEncoder().encode('challenge');

export type AzureFixture = 'azure-milan-v2' | 'azure-milan-v3' | 'azure-tdx';

/** A copy of genuine Azure evidence that a test may spoil. */
export function azureEvidence(name: AzureFixture): Evidence {
  const bytes = (file: string): Uint8Array => new Uint8Array(fixture(`${name}/${file}`));
  const pcrs = bytes('pcrs-sha256.bin');
  const values: Record<number, Uint8Array> = {};
  for (let index = 0; index < 24; index++) values[index] = pcrs.slice(index * 32, index * 32 + 32);
  const evidence: Evidence = {
    version: 1,
    hclReport: bytes('hcl-report.bin'),
    quote: { message: bytes('quote.msg'), signature: bytes('quote.sig'), pcrs: { alg: 'sha256', values } },
  };
  if (name === 'azure-milan-v2') evidence.certificates = { vcek: fixture(`${name}/vcek.pem`).toString('utf8') };
  if (name === 'azure-milan-v3') {
    const chain = fixture('amd-chains/ask_ark_milan.pem').toString('utf8');
    evidence.certificates = { vcek: bytes('vcek.der'), chain };
  }
  return evidence;
}

/** Codes of the checks that failed. */
export function failedCodes(result: { checks: readonly { ok: boolean; code?: string }[] }): string[] {
  return result.checks.filter((check) => !check.ok).map((check) => check.code ?? 'no code');
}
