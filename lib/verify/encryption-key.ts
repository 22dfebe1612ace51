import { createHash } from 'node:crypto';
import {
  parseTpm2bPublic,
  parseTpmsAttest,
  TPM_GENERATED_VALUE,
  TpmAttestType,
  type TpmPublic,
  type TpmsAttest,
} from '../abi/tpm.js';
import { hex } from '../base/hex.js';
import { type AttestationKey, attestationKeySigned } from './attestation-key.js';
import type { CheckList } from './check-list.js';
import type { QuoteVerification } from './check-quote.js';
import type { EvidenceEphemeralKey } from './types.js';

// fixedTPM, fixedParent, sensitiveDataOrigin, noDA, decrypt; neither userWithAuth nor restricted (TPMA_OBJECT).
const ATTRIBUTES = 0x00020432;
const KEY_BITS = 2048;
const EXPONENT = 65537;
const CC_POLICY_PCR = 0x0000017f;
// The PCRs that the guest protocol binds the key to: Linux, and Windows.
const POLICY_PCRS = [
  [0, 1, 2, 3, 4, 5, 6, 7],
  [0, 1, 2, 3, 4, 5, 6, 7, 11, 12, 13, 14],
];

/** RSA key as JWK, under the name that tokens give it. */
export interface EncryptionKeyJwk {
  kty: 'RSA';
  kid: string;
  n: string;
  e: string;
}

/** The ephemeral key: certified by the attestation key, made in this TPM, usable only in the state that was quoted. */
export function checkEncryptionKey(
  list: CheckList,
  evidence: EvidenceEphemeralKey | undefined,
  key: AttestationKey | undefined,
  quote: QuoteVerification,
): EncryptionKeyJwk | undefined {
  if (evidence === undefined) {
    list.skipped('encryption-key', 'encryption key', 'none in the evidence');
    return undefined;
  }
  let certified: TpmsAttest;
  let area: TpmPublic;
  try {
    certified = parseTpmsAttest(evidence.certifyInfo);
    area = parseTpm2bPublic(evidence.publicArea);
  } catch (error) {
    const actual = error instanceof Error ? error.message : String(error);
    list.add('encryption-key', 'encryption key can be read', 'ERR_ENCRYPTION_KEY', false, { actual });
    return undefined;
  }
  const equal = (name: string, expected: string, actual: string): boolean =>
    list.equal('encryption-key', name, 'ERR_ENCRYPTION_KEY', expected, actual);
  equal('certified by a TPM (magic)', TPM_GENERATED_VALUE.toString(16), certified.magic.toString(16));
  equal('certification type', TpmAttestType.CERTIFY.toString(16), certified.type.toString(16));
  if (key === undefined) list.notChecked('encryption-key', 'certification signature', 'no attestation key');
  else {
    const valid = attestationKeySigned(key, evidence.certifyInfo, evidence.certifySignature);
    equal('certification signature', 'valid', valid ? 'valid' : 'not valid');
  }
  equal('certified name', hex(area.name), certified.certify === undefined ? 'none' : hex(certified.certify.name));
  equal('key attributes', ATTRIBUTES.toString(16), area.objectAttributes.toString(16));
  equal('key', `RSA of ${KEY_BITS} bits, ${EXPONENT}`, `RSA of ${area.keyBits} bits, ${area.exponent}`);
  checkKeyPolicy(list, area, certified, quote);
  if (!quote.present) return undefined;
  const encode = (bytes: Uint8Array): string => Buffer.from(bytes).toString('base64url');
  return { kty: 'RSA', kid: 'TpmEphemeralEncryptionKey', n: encode(area.modulus), e: 'AQAB' };
}

function checkKeyPolicy(list: CheckList, area: TpmPublic, certified: TpmsAttest, quote: QuoteVerification): void {
  const { attest, pcrs } = quote;
  const name = 'key is bound to the quoted PCRs';
  if (!quote.present) {
    // Everything that needs no quote is still verified; a key whose PCRs nobody has seen is not handed out.
    list.skipped('encryption-key', name, 'no quote in the evidence: the key is not to be used');
    return;
  }
  if (attest === undefined || pcrs === undefined) {
    list.notChecked('encryption-key', name, 'the quote is not good');
    return;
  }
  const expected = POLICY_PCRS.filter((indices) => indices.every((index) => pcrs.has(index))).map((indices) =>
    pcrPolicyDigest(indices, pcrs),
  );
  const actual = hex(area.authPolicy);
  list.add('encryption-key', name, 'ERR_ENCRYPTION_KEY', expected.includes(actual), {
    expected: expected.join(' or ') || 'PCRs 0 to 7 quoted',
    actual,
  });
  const boot = ({ resetCount, restartCount }: TpmsAttest): string => `reset ${resetCount}, restart ${restartCount}`;
  list.equal(
    'encryption-key',
    'certified in the boot that was quoted',
    'ERR_ENCRYPTION_KEY',
    boot(attest),
    boot(certified),
  );
}

/** Policy digest of one TPM2_PolicyPCR over SHA-256 PCRs (TPM 2.0 Library, part 3, section 23.7). */
function pcrPolicyDigest(indices: readonly number[], pcrs: ReadonlyMap<number, Uint8Array>): string {
  const values = createHash('sha256');
  const bitmap = Buffer.alloc(3);
  for (const index of indices) {
    values.update(pcrs.get(index) ?? Buffer.alloc(0));
    bitmap[index >> 3] = (bitmap[index >> 3] ?? 0) | (1 << (index & 7));
  }
  const selection = Buffer.from([0, 0, 0, 1, 0, 0x0b, 3, ...bitmap]);
  const command = Buffer.alloc(4);
  command.writeUInt32BE(CC_POLICY_PCR);
  return createHash('sha256')
    .update(Buffer.alloc(32))
    .update(command)
    .update(selection)
    .update(values.digest())
    .digest('hex');
}
