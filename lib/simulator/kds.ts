import type { Product, Tcb } from '../abi/tcb.js';
import { type Answer, textAnswer } from './http/behaviour.js';
import { LoopbackServer, type ReceivedRequest } from './http/loopback-server.js';
import type { AmdAuthority } from './pki/amd.js';

export interface KdsContents {
  authority: AmdAuthority;
  /** DER certificate of the one chip that this service knows. */
  vcek: Buffer;
  /** 64 bytes, or 8 on Turin. */
  chipId: Uint8Array;
  tcb: Tcb;
}

const derAnswer = (der: Buffer): Answer => ({
  status: 200,
  headers: { 'content-type': 'application/pkix-cert' },
  body: der,
});

/** AMD's key distribution service, as far as it knows one simulated chip (layouts.md 5). */
export class SimulatedKds extends LoopbackServer {
  readonly #contents: KdsContents;
  /** Certificates that the revocation list names from now on. */
  revoked: readonly ('ask' | 'asvk')[] = [];

  constructor(contents: KdsContents) {
    super();
    this.#contents = contents;
  }

  protected override answer({ method, url }: ReceivedRequest): Answer {
    const { authority } = this.#contents;
    const [, kind, product, item = ''] = /^\/(vcek|vlek)\/v1\/(\w+)\/(\w+)$/.exec(url.pathname) ?? [];
    if (method !== 'GET' || product !== authority.product) return textAnswer(404, 'not found');
    if (item === 'crl') return derAnswer(authority.revocationList({ revoked: this.revoked }));
    if (kind === 'vcek' && item === 'cert_chain') return textAnswer(200, authority.chainPem);
    if (kind === 'vcek') return this.#vcek(item, url.searchParams);
    return textAnswer(404, 'not found');
  }

  /** The certificate of this very chip at this very TCB; AMD's service answers 404 to an id of another length, too. */
  #vcek(chipId: string, query: URLSearchParams): Answer {
    const { vcek, tcb, authority } = this.#contents;
    const known = Buffer.from(this.#contents.chipId).toString('hex');
    const asked = splParameters(authority.product).every(
      ([name, component]) => Number(query.get(name) ?? Number.NaN) === (tcb[component] ?? 0),
    );
    return chipId.toLowerCase() === known && asked ? derAnswer(vcek) : textAnswer(404, 'not found');
  }
}

function splParameters(product: Product): [string, keyof Tcb][] {
  const common: [string, keyof Tcb][] = [
    ['blSPL', 'bootloader'],
    ['teeSPL', 'tee'],
    ['snpSPL', 'snp'],
    ['ucodeSPL', 'microcode'],
  ];
  return product === 'Turin' ? [['fmcSPL', 'fmc'], ...common] : common;
}
