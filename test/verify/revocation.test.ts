import { beforeAll, describe, expect, it } from 'vitest';
import { explainEvidence } from '../../lib/index.js';
import { forge } from './forge.js';
import { failedCodes } from './genuine.js';

// Row 21 of what a verifier must not get wrong; the others are in pitfalls.test.ts.
describe('#21 revocation', () => {
  let forged: Awaited<ReturnType<typeof forge>>;
  beforeAll(async () => {
    forged = await forge();
  });
  const codes = async (crls: (Uint8Array | string)[]): Promise<string[]> =>
    failedCodes(await explainEvidence(forged.evidence, { ...forged.options, crls }));

  it('accepts a signing key that is not on the list', async () => {
    expect(await codes([forged.authority.revocationList()])).toEqual([]);
    expect(await codes([forged.authority.revocationList({ revoked: ['asvk'] })])).toEqual([]);
  });

  it('reads a list in PEM', async () => {
    const body = forged.authority.revocationList({ revoked: ['ask'] }).toString('base64');
    expect(await codes([`-----BEGIN X509 CRL-----\n${body}\n-----END X509 CRL-----\n`])).toEqual([
      'ERR_CERTIFICATE_REVOKED',
    ]);
  });

  it('refuses a revoked signing key', async () => {
    expect(await codes([forged.authority.revocationList({ revoked: ['ask'] })])).toEqual(['ERR_CERTIFICATE_REVOKED']);
  });

  it('refuses an expired list, and one of tomorrow', async () => {
    const day = 86_400_000;
    const past = new Date(Date.now() - 2 * day);
    expect(
      await codes([forged.authority.revocationList({ thisUpdate: past, nextUpdate: new Date(Date.now() - day) })]),
    ).toEqual(['ERR_CRL_EXPIRED']);
    expect(await codes([forged.authority.revocationList({ thisUpdate: new Date(Date.now() + day) })])).toEqual([
      'ERR_CRL_EXPIRED',
    ]);
  });

  it('refuses a list that another root signed in this root’s name', async () => {
    const stranger = await forge({ authority: { name: 'stranger' } });
    expect(await codes([stranger.authority.revocationList()])).toEqual(['ERR_CRL']);
  });

  it('refuses when the lists supplied are of other products, broken or none', async () => {
    const genoa = await forge({ product: 'Genoa' });
    expect(await codes([genoa.authority.revocationList()])).toEqual(['ERR_CRL']);
    expect(await codes([Uint8Array.of(0x30, 0)])).toEqual(['ERR_CRL']);
    expect(await codes([])).toEqual(['ERR_CRL']);
  });

  it('finds the right one among several', async () => {
    const genoa = await forge({ product: 'Genoa' });
    expect(await codes([genoa.authority.revocationList(), forged.authority.revocationList()])).toEqual([]);
  });

  it('counts every list of the root: revoked in one of them is revoked, in any order', async () => {
    const clean = forged.authority.revocationList();
    const revoking = forged.authority.revocationList({ revoked: ['ask'] });
    expect(await codes([clean, revoking])).toEqual(['ERR_CERTIFICATE_REVOKED']);
    expect(await codes([revoking, clean])).toEqual(['ERR_CERTIFICATE_REVOKED']);
  });

  it('refuses a list that is expired, or of the future, beside a good one', async () => {
    const day = 86_400_000;
    const good = forged.authority.revocationList();
    const expired = forged.authority.revocationList({
      thisUpdate: new Date(Date.now() - 2 * day),
      nextUpdate: new Date(Date.now() - day),
    });
    const future = forged.authority.revocationList({ thisUpdate: new Date(Date.now() + day) });
    for (const other of [expired, future]) {
      expect(await codes([good, other])).toEqual(['ERR_CRL_EXPIRED']);
      expect(await codes([other, good])).toEqual(['ERR_CRL_EXPIRED']);
    }
  });

  it('is demanded where the policy says so', async () => {
    const { evidence, options } = forged;
    const policy = { requireCrl: true };
    expect(failedCodes(await explainEvidence(evidence, { ...options, policy }))).toEqual(['ERR_CRL']);
    const crls = [forged.authority.revocationList()];
    expect(failedCodes(await explainEvidence(evidence, { ...options, policy, crls }))).toEqual([]);
  });
});
