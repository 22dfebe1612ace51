import type { VerificationContext } from '../engine/context.js';
import type { Transport } from '../http/transport.js';

/** How connections of this library's own are made, where the runtime lets it choose. */
export interface OwnTransportOptions {
  /** Certificates in PEM that are trusted in place of the runtime's. */
  ca?: string;
  /** URL of an HTTP proxy, false for none. */
  proxy?: string | false;
}

/** What token verification takes from the program that it runs in. */
export interface TokenContext extends VerificationContext {
  /**
   * Connections of this library's own, for an issuer's keys.
   *
   * @throws AttestationError 8 for an option that cannot be had
   */
  readonly ownTransport: (options: OwnTransportOptions) => Transport;
}
