import { flag } from '../base/option-kinds.js';
import { checkOptions, invalid, type OptionTable } from '../base/options.js';
import { type EncryptionKey, ephemeralKeyFromToken } from './ephemeral-key.js';
import type { TokenContext } from './keys-remote.js';
import { VERIFY_TOKEN, type VerifyTokenOptions } from './options.js';
import { verifyTokenIn } from './verify-token.js';

/** Says that the caller has verified the token already, and takes it as it is. */
export interface AlreadyVerified {
  verified: true;
}

type Options = Partial<VerifyTokenOptions> & { verified?: boolean };

const TABLE: OptionTable<Options> = /* @__PURE__ */ Object.assign({}, VERIFY_TOKEN, {
  issuer: { check: (value: unknown, name: string) => VERIFY_TOKEN.issuer.check(value, name) },
  verified: flag,
});

/** See `tokenEncryptionKey` of the entry points. */
export async function tokenEncryptionKeyIn(
  context: TokenContext,
  token: string,
  options: VerifyTokenOptions | AlreadyVerified,
): Promise<EncryptionKey> {
  const { verified, ...expectations } = checkOptions<Options>('tokenEncryptionKey', options, TABLE);
  if (verified === true) {
    const [lost] = Object.keys(expectations);
    if (lost !== undefined) throw invalid(`tokenEncryptionKey: ${lost} is not looked at beside verified: true`);
  } else {
    const { issuer, attestationType: type, ...others } = expectations;
    if (issuer === undefined) throw invalid('tokenEncryptionKey: issuer must be given');
    if (type !== undefined && String(type) !== 'azurevm') {
      throw invalid('tokenEncryptionKey: only a guest token (azurevm) carries the key of a TPM');
    }
    await verifyTokenIn(context, token, { issuer, attestationType: 'azurevm', ...others });
  }
  return ephemeralKeyFromToken(token);
}
