import type { EvidenceEphemeralKey } from '../abi/evidence.js';
import {
  ALG_SHA256,
  ATTEST_CERTIFY,
  parseTpm2bPublic,
  parseTpmsAttest,
  TPM_GENERATED_VALUE,
  type TpmPublic,
  type TpmsAttest,
} from '../abi/tpm.js';
import { encodeBase64url } from '../base/base64url.js';
import { concatBytes } from '../base/bytes.js';
import { hex, hexNumber } from '../base/hex.js';
import type { SignatureEngine } from '../engine/engine.js';
import { type AttestationKey, attestationKeySigned } from './attestation-key.js';
import type { CheckList } from './check-codes.js';
import type { QuoteVerification } from './check-quote.js';

// fixedTPM, fixedParent, sensitiveDataOrigin, noDA, decrypt; neither userWithAuth nor restricted (TPMA_OBJECT).
const ATTRIBUTES = 0x00020432;
const KEY_BITS = 2048;
const EXPONENT = 65537;
// TPM_CC_PolicyPCR, and a TPML_PCR_SELECTION of one bank, SHA-256, before its bitmap of three bytes.
const POLICY_PCR = [0, 0, 0x01, 0x7f, 0, 0, 0, 1, 0, 0x0b, 3];
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
export async function checkEncryptionKey(
  engine: SignatureEngine,
  list: CheckList,
  evidence: EvidenceEphemeralKey | undefined,
  key: AttestationKey | undefined,
  quote: QuoteVerification,
): Promise<EncryptionKeyJwk | undefined> {
  if (evidence === undefined) {
    list.skipped('encryption-key', 'encryption key', 'none in the evidence');
    return undefined;
  }
  const read = list.read('encryption-key', 'encryption key can be read', 'ERR_ENCRYPTION_KEY', () => ({
    certified: parseTpmsAttest(evidence.certifyInfo),
    area: parseTpm2bPublic(evidence.publicArea),
  }));
  if (read === undefined) return undefined;
  const { certified, area } = read;
  const equal = (name: string, expected: string | number | Uint8Array, actual: unknown): boolean =>
    list.equal('encryption-key', name, 'ERR_ENCRYPTION_KEY', expected, actual);
  equal('certified by a TPM (magic)', hexNumber(TPM_GENERATED_VALUE), hexNumber(certified.magic));
  equal('certification type', hexNumber(ATTEST_CERTIFY), hexNumber(certified.type));
  if (key === undefined) list.notChecked('encryption-key', 'certification signature', 'no attestation key');
  else {
    const { certifyInfo, certifySignature } = evidence;
    const valid = await attestationKeySigned(engine, key, certifyInfo, certifySignature);
    list.signature('encryption-key', 'certification signature', 'ERR_ENCRYPTION_KEY', valid);
  }
  // By a name of SHA-1 another key could be certified with the same one.
  equal('name algorithm', hexNumber(ALG_SHA256), hexNumber(area.nameAlg));
  equal('certified name', area.name, certified.certify?.name);
  equal('key attributes', hexNumber(ATTRIBUTES), hexNumber(area.objectAttributes));
  equal('key', `RSA of ${KEY_BITS} bits, ${EXPONENT}`, `RSA of ${area.keyBits} bits, ${area.exponent}`);
  checkKeyPolicy(engine, list, area, certified, quote);
  if (!quote.present) return undefined;
  return { kty: 'RSA', kid: 'TpmEphemeralEncryptionKey', n: encodeBase64url(area.modulus), e: 'AQAB' };
}

function checkKeyPolicy(
  engine: SignatureEngine,
  list: CheckList,
  area: TpmPublic,
  certified: TpmsAttest,
  quote: QuoteVerification,
): void {
  const { attest, pcrs } = quote;
  const name = 'key is bound to the quoted PCRs';
  if (!quote.present) {
    // Everything that needs no quote is still verified; a key whose PCRs nobody has seen is not handed out.
    list.skipped('encryption-key', name, 'no quote in the evidence');
    return;
  }
  if (attest === undefined || pcrs === undefined) {
    list.notChecked('encryption-key', name, 'the quote is not good');
    return;
  }
  const quoted = POLICY_PCRS.filter((indices) => indices.every((index) => pcrs.has(index)));
  const expected = quoted.map((indices) => pcrPolicyDigest(engine, indices, pcrs));
  list.oneOf('encryption-key', name, 'ERR_ENCRYPTION_KEY', expected, hex(area.authPolicy));
  const boot = ({ resetCount, restartCount }: TpmsAttest): string => `reset ${resetCount}, restart ${restartCount}`;
  const quotedBoot = boot(attest);
  list.equal(
    'encryption-key',
    'certified in the boot that was quoted',
    'ERR_ENCRYPTION_KEY',
    quotedBoot,
    boot(certified),
  );
}

/** Policy digest of one TPM2_PolicyPCR over SHA-256 PCRs (TPM 2.0 Library, part 3, section 23.7). */
function pcrPolicyDigest(
  engine: SignatureEngine,
  indices: readonly number[],
  pcrs: ReadonlyMap<number, Uint8Array>,
): string {
  const values = concatBytes(...indices.map((index) => pcrs.get(index) as Uint8Array));
  // The digest of a policy that demands nothing, the command, and its parameters.
  const extended = new Uint8Array(32 + POLICY_PCR.length + 3 + 32);
  extended.set(POLICY_PCR, 32);
  const bitmap = 32 + POLICY_PCR.length;
  for (const index of indices)
    extended[bitmap + (index >> 3)] = (extended[bitmap + (index >> 3)] as number) | (1 << (index & 7));
  extended.set(engine.digest('SHA-256', values), bitmap + 3);
  return hex(engine.digest('SHA-256', extended));
}
