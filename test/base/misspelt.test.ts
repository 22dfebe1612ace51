import { describe, expect, it } from 'vitest';
import {
  AttestationClient,
  explainEvidence,
  explainToken,
  requireAttestation,
  tokenEncryptionKey,
  verifyEvidence,
  verifySnpReport,
  verifyToken,
} from '../../lib/index.js';
import { guestClaims, ISSUER, jwkOf, NOW, rsaKeys, signToken } from '../token/issuer.js';

const keys = rsaKeys();
const token = signToken(guestClaims(), keys.privateKey);
const good = { issuer: ISSUER, keys: { keys: [jwkOf(keys)] }, now: NOW };
const evidence = { version: 1, hclReport: new Uint8Array(2048) } as const;
const client = new AttestationClient();

/** A program in JavaScript whose author wrote `name`: what was meant must not go unchecked. */
const calls: Record<string, (options: never) => unknown> = {
  verifyToken: (options: object) => verifyToken(token, { ...good, ...options }),
  explainToken: (options: object) => explainToken(token, { ...good, ...options }),
  tokenEncryptionKey: (options: object) => tokenEncryptionKey(token, { ...good, ...options }),
  requireAttestation: (options: object) => requireAttestation({ ...good, ...options }),
  verifyEvidence: (options: object) => verifyEvidence(evidence, options),
  explainEvidence: (options: object) => explainEvidence(evidence, options),
  verifySnpReport: (options: object) => verifySnpReport(new Uint8Array(1184), { vcek: 'x' }, options),
  AttestationClient: (options: object) => new AttestationClient(options),
  'attest, parameters': (options: object) => client.attest({ attestationUrl: ISSUER, ...options }),
  'attest, options': (options: object) => client.attest({ attestationUrl: ISSUER }, options),
  'attest, verify': (options: object) => client.attest({ attestationUrl: ISSUER }, { verify: options }),
};

describe('a misspelt option is refused', () => {
  it.each([
    ['verifyToken', 'requireSecureboot', 'did you mean requireSecureBoot?'],
    ['verifyToken', 'expectedNonce', 'there are attestationType, requireCompliance'],
    ['explainToken', 'vmID', 'did you mean vmId?'],
    ['tokenEncryptionKey', 'policyhash', 'did you mean policyHash?'],
    ['requireAttestation', 'minimumSVN', 'did you mean minimumSvn?'],
    ['verifyEvidence', 'polciy', 'did you mean policy?'],
    ['verifyEvidence', 'userdata', 'did you mean userData?'],
    ['explainEvidence', 'Nonce', 'did you mean nonce?'],
    ['verifySnpReport', 'nonce', 'there are policy, trustedRoots, crls, now'],
    ['AttestationClient', 'parameterencryption', 'did you mean parameterEncryption?'],
    ['AttestationClient', 'timeout', 'did you mean timeoutMs?'],
    ['attest, parameters', 'clientPayLoad', 'did you mean clientPayload?'],
    ['attest, options', 'verfy', 'did you mean verify?'],
    ['attest, verify', 'requireSecureboot', 'did you mean requireSecureBoot?'],
  ])('by %s: %s', async (name, misspelt, hint) => {
    const call = async (): Promise<unknown> => calls[name]?.({ [misspelt]: true } as never);
    await expect(call()).rejects.toMatchObject({
      code: 8,
      message: expect.stringContaining(`there is no option "${misspelt}": ${hint}`),
    });
  });

  it('every documented option is taken', async () => {
    await expect(verifyToken(token, good)).resolves.toBeDefined();
    await expect(
      verifyToken(token, { ...good, clockTolerance: 1, keyFetch: {}, requireTpm: true }),
    ).resolves.toBeDefined();
    const refused = { name: 'VerificationError', code: 'ERR_HCL_REPORT' };
    await expect(verifyEvidence(evidence, { now: NOW, nonce: Buffer.alloc(8) })).rejects.toMatchObject(refused);
  });
});
