import { parseTpm2bPublic } from '../abi/tpm.js';
import { untilAborted } from '../base/abort.js';
import { encodeBase64url } from '../base/base64url.js';
import { utf8Bytes, withoutLeadingZeros } from '../base/bytes.js';
import { sha2 } from '../base/sha2.js';
import type { UnwrapContext, UnwrapKey } from '../content/unwrap.js';
import type { GuestTpm } from '../tpm/native-tpm.js';
import type { KeyTemplate } from '../tpm/types.js';
import { ATTESTED_PCRS, AzureTpm } from './azure-tpm.js';

const TEMPLATES: readonly KeyTemplate[] = ['zeros', 'empty'];

/**
 * Which of the TPM's two ephemeral keys a message is for: the one of this package and the reference library, or the one that
 * Microsoft's Rust and Python clients have in their tokens. The message's `jkt` says so; it is public, and so is the choice.
 * After a failed unwrap the other key is never tried: that would tell right padding from wrong.
 */
export class KeyTemplates {
  readonly #thumbprints = new Map<KeyTemplate, string>();
  #learning: Promise<void> | undefined;

  constructor(readonly tpm: GuestTpm) {}

  /** TPM2B_PUBLIC of a key that was certified anyway. */
  learn(template: KeyTemplate, publicArea: Uint8Array): void {
    this.#thumbprints.set(template, thumbprintOf(publicArea));
  }

  /** @param thumbprint `jkt` of the message */
  async templateFor(thumbprint: string | undefined, signal?: AbortSignal): Promise<KeyTemplate> {
    if (thumbprint === undefined) return 'zeros';
    const known = this.#named(thumbprint);
    if (known !== undefined) return known;
    // Keys change with PCRs 0–7 and with a restart; the default comes first, and mostly alone.
    this.#learning ??= this.#learnUntil(thumbprint).finally(() => {
      this.#learning = undefined;
    });
    await untilAborted(this.#learning, signal);
    return this.#named(thumbprint) ?? 'zeros';
  }

  #named(thumbprint: string): KeyTemplate | undefined {
    return TEMPLATES.find((template) => this.#thumbprints.get(template) === thumbprint);
  }

  async #learnUntil(thumbprint: string): Promise<void> {
    for (const keyTemplate of TEMPLATES) {
      const { publicArea } = await this.tpm.certifyEphemeralKey({
        keyHandle: AzureTpm.ATTESTATION_KEY,
        pcrs: ATTESTED_PCRS,
        keyTemplate,
      });
      this.learn(keyTemplate, publicArea);
      if (this.#named(thumbprint) !== undefined) return;
    }
  }
}

/**
 * The TPM as the envelope formats see it. Its failures go up as they are: what they mean is decided there.
 *
 * @param keyTemplate as the caller chose it; by the message's `jkt` otherwise
 */
export function unwrapKeyOf(templates: KeyTemplates, keyTemplate?: KeyTemplate): UnwrapKey {
  const { tpm } = templates;
  const choice = async ({ thumbprint, signal }: UnwrapContext) => ({
    pcrs: ATTESTED_PCRS,
    keyTemplate: keyTemplate ?? (await templates.templateFor(thumbprint, signal)),
  });
  return Object.assign(
    async (wrapped: Uint8Array, context: UnwrapContext) =>
      tpm.unwrapKey({ wrapped, ...(await choice(context)) }, signalOf(context)),
    { confirm: async (context: UnwrapContext) => tpm.confirmKey(await choice(context), signalOf(context)) },
  );
}

const signalOf = ({ signal }: UnwrapContext): { signal?: AbortSignal } => (signal === undefined ? {} : { signal });

/** RFC 7638, SHA-256, of a TPM2B_PUBLIC's RSA key. */
function thumbprintOf(publicArea: Uint8Array): string {
  const { modulus, exponent } = parseTpm2bPublic(publicArea);
  const e = encodeBase64url(
    withoutLeadingZeros(Uint8Array.of(exponent >>> 24, exponent >>> 16, exponent >>> 8, exponent)),
  );
  return encodeBase64url(sha2('SHA-256', utf8Bytes(`{"e":"${e}","kty":"RSA","n":"${encodeBase64url(modulus)}"}`)));
}
