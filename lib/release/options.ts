import tls from 'node:tls';
import { type Certificate, parseCertificates } from '../abi/x509.js';
import { AttestationError } from '../base/errors.js';
import { bytesOrText, callable, custom, date, flag, integer, listOf, oneOf, text } from '../base/option-kinds.js';
import { checkOptions, invalid, type OptionTable, required } from '../base/options.js';
import { DEFAULT_RELEASE_ALGORITHM, RELEASE_ALGORITHMS, type ReleaseAlgorithm, type RsaDecrypt } from './algorithm.js';
import { JWS_ALGORITHMS, type JwsAlgorithm } from './jws.js';
import { type WrappingKey, type WrappingKeyInput, wrappingKeyOf } from './wrapping-key.js';

/** What a release answer must be about, and what it is verified with. */
export interface ReleaseResponseOptions {
  /** Host of the vault that was asked, with its port where that is not 443. */
  vaultHost: string;
  /** Name of the key that was asked for. Default: any key of the vault. */
  keyName?: string;
  /** Version that was asked for. Default: any version. */
  keyVersion?: string;
  /** `enc` of the request. Default `RSA_AES_KEY_WRAP_256`. */
  algorithm?: ReleaseAlgorithm;
  /** `nonce` of the request. */
  nonce?: string;
  /** Refuses an answer without a nonce: an old one could be replayed. Default false, services are not known to repeat it. */
  requireNonceEcho?: boolean;
  /**
   * The key that the vault wrapped to: a JWK with its `kid` of the token, a KeyObject or PEM. With a private key the
   * released key is unwrapped, too; without a wrapping key nothing is said about it.
   */
  wrappingKey?: WrappingKeyInput;
  /** Unwraps with a key that is elsewhere, in a TPM for instance: `(block, options) => client.decrypt(block, options)`. */
  rsaDecrypt?: RsaDecrypt;
  /** Certificates (PEM or DER) that the answer's must lead to. Default: the roots of Node. */
  trustedRoots?: readonly (string | Uint8Array)[];
  /** Default `['RS256']`. */
  signatureAlgorithms?: readonly JwsAlgorithm[];
  /** The time to verify at; the current one by default. */
  now?: Date;
  /** How far the clocks may differ, in seconds; 60 by default. */
  clockTolerance?: number;
}

export interface CheckedReleaseOptions {
  readonly vault: { readonly host: string; readonly hostname: string };
  readonly keyName?: string;
  readonly keyVersion?: string;
  readonly algorithm: ReleaseAlgorithm;
  readonly nonce?: string;
  readonly requireNonceEcho: boolean;
  readonly wrappingKey?: WrappingKey;
  readonly rsaDecrypt?: RsaDecrypt;
  /** Parsed at the first use: Node has about 140. */
  readonly roots: () => readonly Certificate[];
  readonly signatureAlgorithms: readonly JwsAlgorithm[];
  readonly now: Date;
  readonly clockTolerance: number;
}

export const releaseAlgorithm = oneOf(...(Object.keys(RELEASE_ALGORITHMS) as ReleaseAlgorithm[]));

const OPTIONS: OptionTable<ReleaseResponseOptions> = {
  vaultHost: required(text),
  keyName: text,
  keyVersion: text,
  algorithm: releaseAlgorithm,
  nonce: text,
  requireNonceEcho: flag,
  wrappingKey: custom((value) => value as WrappingKeyInput),
  rsaDecrypt: callable<RsaDecrypt>(),
  trustedRoots: listOf(bytesOrText, 1),
  signatureAlgorithms: listOf(oneOf(...JWS_ALGORITHMS), 1),
  now: date,
  clockTolerance: integer(0, 3600),
};

/** @throws AttestationError 8 */
export function checkedReleaseOptions(what: string, given: unknown): CheckedReleaseOptions {
  const { vaultHost, wrappingKey, trustedRoots, ...rest } = checkOptions(what, given, OPTIONS);
  return {
    ...rest,
    vault: hostOf(vaultHost),
    algorithm: rest.algorithm ?? DEFAULT_RELEASE_ALGORITHM,
    requireNonceEcho: rest.requireNonceEcho ?? false,
    ...(wrappingKey !== undefined && { wrappingKey: wrappingKeyOf(wrappingKey, 'wrappingKey') }),
    roots: rootsOf(trustedRoots),
    signatureAlgorithms: rest.signatureAlgorithms ?? ['RS256'],
    now: rest.now ?? new Date(),
    clockTolerance: rest.clockTolerance ?? 60,
  };
}

function hostOf(vaultHost: string): { host: string; hostname: string } {
  const address = `https://${vaultHost}`;
  if (!URL.canParse(address) || !/^[^\s/?#@\\]+$/.test(vaultHost)) {
    throw invalid('vaultHost must be the host of a vault, for instance contoso.vault.azure.net');
  }
  const { host, hostname } = new URL(address);
  return { host, hostname };
}

let nodesRoots: readonly Certificate[] | undefined;

/** Trust anchors out of PEM or DER; Node's own where none are given. @throws AttestationError 8 */
export function rootsOf(given: readonly (string | Uint8Array)[] | undefined): () => readonly Certificate[] {
  if (given === undefined) {
    return () => {
      nodesRoots ??= tls.rootCertificates.flatMap(readableRoot);
      return nodesRoots;
    };
  }
  const roots = given.flatMap((root) => {
    try {
      return parseCertificates(root);
    } catch (cause) {
      throw invalid('trustedRoots must be certificates in PEM or DER', cause);
    }
  });
  return () => roots;
}

/** A root that Node trusts and that is not read here is one that nothing can lead to. */
function readableRoot(pem: string): readonly Certificate[] {
  try {
    return parseCertificates(pem);
  } catch (error) {
    if (error instanceof AttestationError) return [];
    throw error;
  }
}
