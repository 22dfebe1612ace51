import { bytesOrText, custom, date, flag, integer, listOf, unchecked } from '../../base/option-kinds.js';
import { invalid, nested, type OptionTable } from '../../base/options.js';
import type { AttestationClient } from '../../guest/client.js';
import { collateralOption } from '../../verify/tdx/collateral-option.js';
import type { PeerDemands } from './peer-verifier.js';

/** TLS of an end of the channel. What would weaken it (versions, sessions, tickets, ALPN) cannot be given. */
export interface ChannelTlsOptions {
  /** PEM. With `cert`; without both a key is made that never leaves this process. */
  key?: string | Uint8Array;
  cert?: string | Uint8Array;
  /** PEM: authorities that the peer's certificate is checked against, in place of Node's. */
  ca?: string | Uint8Array;
  /** Whether the peer's certificate must be from an authority. At a server: default false; at a client: default true. */
  rejectUnauthorized?: boolean;
}

export const TLS_OPTIONS: OptionTable<ChannelTlsOptions> = {
  key: bytesOrText,
  cert: bytesOrText,
  ca: bytesOrText,
  rejectUnauthorized: flag,
};

const MAX_AGE_MS = 24 * 60 * 60 * 1000;

/** `policy`, `trustedRoots` and `collateral` are checked by the verifier, before the first connection. */
export const DEMANDS: OptionTable<PeerDemands> = {
  policy: unchecked(),
  trustedRoots: unchecked(),
  crls: listOf(bytesOrText),
  now: date,
  collateral: collateralOption,
  freshReport: flag,
  maxAge: integer(1, MAX_AGE_MS),
};

/** A client is used as it is: it holds the connection to the TPM. */
export const attestationClient = custom<AttestationClient>((value, name) => {
  if (typeof (value as Partial<AttestationClient> | null)?.getEvidence !== 'function') {
    throw invalid(`${name} must be an AttestationClient`);
  }
  return value as AttestationClient;
});

export const tlsOptions = nested(TLS_OPTIONS);
