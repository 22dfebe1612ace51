import { type Answer, textAnswer } from './http/behaviour.js';
import { LoopbackServer, type ReceivedRequest } from './http/loopback-server.js';
import type { VtpmAuthority } from './pki/vtpm.js';

/** Publishes the certificates of the virtual TPMs' authorities, as www.microsoft.com/pkiops does. */
export class SimulatedPublisher extends LoopbackServer {
  readonly #authority: VtpmAuthority;

  constructor(authority: VtpmAuthority) {
    super();
    this.#authority = authority;
  }

  protected override answer({ method, url }: ReceivedRequest): Answer {
    const body = this.#authority.published(this.url).get(url.pathname);
    if (method !== 'GET' || !body) return textAnswer(404, '');
    return { status: 200, headers: { 'content-type': 'application/pkix-cert' }, body };
  }
}
