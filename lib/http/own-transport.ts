import { invalid } from '../base/options.js';
import { fetchTransport } from './fetch-transport.js';
import type { Transport } from './transport.js';

/** How connections of this library's own are made, where the runtime lets it choose. */
export interface OwnTransportOptions {
  /** Certificates in PEM that are trusted in place of the runtime's. */
  ca?: string;
  /** URL of an HTTP proxy, false for none. Default: what the environment says of the address. */
  proxy?: string | false;
}

/** What talking to services takes from the program that it runs in. */
export interface TransportContext {
  /**
   * Connections of this library's own.
   *
   * @throws AttestationError 8 for an option that is wrong or not available in this runtime
   */
  readonly ownTransport: (options: OwnTransportOptions) => Transport;
  /** The same, never through a proxy: for instance metadata. */
  readonly directTransport: () => Transport;
}

/** The caller's `fetch`, or connections of this library's own. @throws AttestationError 8 */
export function serviceTransport(
  context: TransportContext,
  { fetch: fetchFunction, ...own }: OwnTransportOptions & { fetch?: typeof fetch | undefined },
): Transport {
  if (fetchFunction === undefined) return context.ownTransport(own);
  const lost = (['ca', 'proxy'] as const).find((name) => own[name] !== undefined);
  if (lost !== undefined) throw invalid(`${lost} has no effect on a fetch of your own`);
  return fetchTransport(fetchFunction);
}
