import { createHash, X509Certificate } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import type { Certificate } from '../../lib/abi/x509.js';
import { DIGITAL_SIGNATURE } from '../../lib/abi/x509-extensions.js';
import { defaultEngine } from '../../lib/engine/choose.js';
import { azureVtpmAuthorities } from '../../lib/guest/azure-issuers.js';
import { AZURE_VTPM_ROOT_KEYS, azureVtpmAnchors } from '../../lib/verify/azure-roots.js';
import { findPath } from '../../lib/verify/path.js';

const { roots, intermediates } = azureVtpmAuthorities();

describe('authorities of Azure’s virtual TPMs', () => {
  it('the root is the pinned one, and the bundled intermediate is signed by it', async () => {
    expect(roots).toHaveLength(1);
    const root = new X509Certificate(roots[0]?.der ?? new Uint8Array());
    const spki = root.publicKey.export({ type: 'spki', format: 'der' });
    expect(createHash('sha256').update(spki).digest('hex')).toBe(AZURE_VTPM_ROOT_KEYS[0]);
    expect(createHash('sha256').update(root.raw).digest('hex')).toBe(
      'e6c596b17f8ffefba5c300f714cfb1260c6028704ecf7becc4ab5018efb00e95',
    );
    for (const { der } of intermediates) expect(new X509Certificate(der).verify(root.publicKey)).toBe(true);
    expect(intermediates).toHaveLength(1);
  });

  it('the trust anchors say what the certificates say', () => {
    const anchors = azureVtpmAnchors();
    const certificates = [...roots, ...intermediates];
    expect(anchors).toHaveLength(certificates.length);
    for (const [index, anchor] of anchors.entries()) {
      const { publicKey, subject, notBefore, notAfter, basicConstraints, keyUsage, extendedKeyUsage } = certificates[
        index
      ] as Certificate;
      expect(anchor).toMatchObject({ publicKey, subject, notBefore, notAfter, basicConstraints, keyUsage });
      expect(anchor.extendedKeyUsage).toEqual(extendedKeyUsage);
      expect([anchor.der.length, anchor.extensions.size, anchor.unknownCritical]).toEqual([0, 0, []]);
      expect(certificates[index]?.hasNameConstraints).toBe(false);
      expect(certificates[index]?.unknownCritical).toEqual([]);
    }
  });

  it('no bundled certificate expires within 90 days', () => {
    for (const { notAfter } of [...roots, ...intermediates]) {
      expect(notAfter.getTime()).toBeGreaterThan(Date.now() + 90 * 86_400_000);
    }
  });

  it('an intermediate has a path to the root, and none to another root', async () => {
    const [intermediate] = intermediates;
    if (intermediate === undefined) throw new Error('there is none');
    const now = new Date('2026-06-01');
    const asLeaf = { ...intermediate, keyUsage: DIGITAL_SIGNATURE };
    for (const trusted of [roots, azureVtpmAnchors()]) {
      expect(await findPath(defaultEngine(), asLeaf, [], { roots: trusted, now })).toMatchObject({
        path: expect.any(Array),
      });
    }
    expect(await findPath(defaultEngine(), asLeaf, [], { roots: [], now })).toHaveProperty('problem');
  });
});
