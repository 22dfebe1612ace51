import { constants, createPrivateKey, privateDecrypt } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { openGuestEnvelope } from '../../lib/guest/open-envelope.js';
import { parseGuestEnvelope } from '../../lib/maa/guest-envelope.js';
import { fixture, withFixtures } from '../fixtures.js';

const text = (path: string) => fixture(`reference-client/${path}`).toString('latin1').trim();

/** RSAES-PKCS1-v1_5 by hand: Node does not offer it for decryption in every version. */
function unwrapInnerKey(block: Uint8Array): Buffer {
  const jwk = JSON.parse(text('software-envelope/throw-away-test-key.jwk.json'));
  const key = createPrivateKey({ key: jwk, format: 'jwk' });
  const padded = privateDecrypt({ key, padding: constants.RSA_NO_PADDING }, block);
  expect(padded.readUInt16BE()).toBe(2);
  return padded.subarray(padded.indexOf(0, 2) + 1);
}

describe.skipIf(!withFixtures)("the reference client's envelopes", () => {
  it.each([128, 192, 256])('with AES-%i open with the throw-away key', (bits) => {
    const envelope = parseGuestEnvelope(text(`software-envelope/token-aes${bits}.b64url`));
    const innerKey = unwrapInnerKey(envelope.encryptedInnerKey);
    expect(innerKey).toEqual(fixture(`reference-client/software-envelope/inner-aes${bits}.bin`));
    expect(openGuestEnvelope(envelope, innerKey)).toBe(text('software-envelope/jwt.txt'));
  });

  it.each(['badtag', 'badcipher'])('with a %s are refused', (kind) => {
    const envelope = parseGuestEnvelope(text(`software-envelope/token-${kind}.b64url`));
    const innerKey = unwrapInnerKey(envelope.encryptedInnerKey);
    expect(() => openGuestEnvelope(envelope, innerKey)).toThrow(expect.objectContaining({ code: 14 }));
  });

  it.each(['snp', 'trusted-launch'])('of its %s run open with the inner key that its TPM unwrapped', (folder) => {
    const { token } = JSON.parse(text(`${folder}/maa-response.body.json`));
    const envelope = parseGuestEnvelope(token);
    const innerKey = fixture(`reference-client/${folder}/inner-key.bin`);
    expect(openGuestEnvelope(envelope, innerKey)).toBe(text(`${folder}/jwt.txt`));
  });
});
