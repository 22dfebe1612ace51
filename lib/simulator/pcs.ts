import { type Answer, textAnswer } from './http/behaviour.js';
import { LoopbackServer, type ReceivedRequest } from './http/loopback-server.js';
import { pem } from './pki/der.js';
import type { SimulatedTdxCollateral } from './tdx/collateral.js';

/** Paths of Intel's provisioning certification service, and of a cache of it (tdx.md 2.3). */
export const pcsPaths = {
  tcbInfo: '/tdx/certification/v4/tcb',
  qeIdentity: '/tdx/certification/v4/qe/identity',
  evaluationDataNumbers: '/tdx/certification/v4/tcbevaluationdatanumbers',
  pckCrl: '/sgx/certification/v4/pckcrl',
  /** Of a cache (PCCS): hexadecimal DER. */
  rootCaCrl: '/sgx/certification/v4/rootcacrl',
  /** As Intel serves it: DER. */
  rootCrlFile: '/IntelSGXRootCA.der',
} as const;

export interface PcsContents {
  collateral: SimulatedTdxCollateral;
}

/** Intel's provisioning certification service, as far as it knows one simulated platform. */
export class SimulatedPcs extends LoopbackServer {
  readonly #contents: PcsContents;

  constructor(contents: PcsContents) {
    super();
    this.#contents = contents;
  }

  protected override answer({ method, url }: ReceivedRequest): Answer {
    if (method !== 'GET') return textAnswer(405, '');
    const { collateral } = this.#contents;
    switch (url.pathname) {
      case pcsPaths.tcbInfo:
        return this.#tcbInfo(url.searchParams);
      case pcsPaths.qeIdentity:
        return this.#numbered(url.searchParams, () =>
          signedDocument('enclaveIdentity', collateral.qeIdentity, collateral.qeIdentitySignature, {
            'SGX-Enclave-Identity-Issuer-Chain': collateral.qeIdentityIssuerChain,
          }),
        );
      case pcsPaths.evaluationDataNumbers:
        return this.#evaluationDataNumbers();
      case pcsPaths.pckCrl:
        return this.#pckCrl(url.searchParams);
      case pcsPaths.rootCaCrl:
        return textAnswer(200, Buffer.from(collateral.rootCaCrl).toString('hex'));
      case pcsPaths.rootCrlFile:
        return {
          status: 200,
          headers: { 'content-type': 'application/pkix-crl' },
          body: Buffer.from(collateral.rootCaCrl),
        };
      default:
        return textAnswer(404, '');
    }
  }

  #tcbInfo(query: URLSearchParams): Answer {
    const fmspc = query.get('fmspc') ?? '';
    if (!/^[0-9a-fA-F]{12}$/.test(fmspc)) return textAnswer(400, '');
    const { tcbInfo, tcbInfoSignature, tcbInfoIssuerChain } = this.#contents.collateral;
    if (fmspc.toUpperCase() !== (JSON.parse(tcbInfo) as { fmspc: string }).fmspc.toUpperCase()) {
      return textAnswer(404, '');
    }
    return this.#numbered(query, () =>
      signedDocument('tcbInfo', tcbInfo, tcbInfoSignature, { 'TCB-Info-Issuer-Chain': tcbInfoIssuerChain }),
    );
  }

  /** A document of the number that was asked for: 410 for one that is no longer on offer, 404 for one that never was. */
  #numbered(query: URLSearchParams, document: () => Answer): Answer {
    const [update, number] = [query.get('update'), query.get('tcbEvaluationDataNumber')];
    if (update !== null && (number !== null || !['standard', 'early'].includes(update))) return textAnswer(400, '');
    if (number === null) return document();
    const offered = this.#number;
    if (!/^\d+$/.test(number)) return textAnswer(400, '');
    if (Number(number) < offered) return textAnswer(410, '');
    return Number(number) === offered ? document() : textAnswer(404, '');
  }

  get #number(): number {
    const info = JSON.parse(this.#contents.collateral.tcbInfo) as { tcbEvaluationDataNumber: number };
    return info.tcbEvaluationDataNumber;
  }

  #evaluationDataNumbers(): Answer {
    const { tcbInfo, tcbInfoIssuerChain } = this.#contents.collateral;
    const { issueDate, nextUpdate } = JSON.parse(tcbInfo) as { issueDate: string; nextUpdate: string };
    const numbers = { tcbEvaluationDataNumber: this.#number, tcbRecoveryEventDate: issueDate, tcbDate: issueDate };
    const body = { id: 'TDX', version: 1, issueDate, nextUpdate, tcbEvalNumbers: [numbers] };
    return withChains(200, JSON.stringify({ tcbEvaluationDataNumbers: body, signature: '' }), {
      'TCB-Evaluation-Data-Numbers-Issuer-Chain': tcbInfoIssuerChain,
    });
  }

  #pckCrl(query: URLSearchParams): Answer {
    const { pckCrl, pckCrlIssuerChain } = this.#contents.collateral;
    if (query.get('ca') !== 'platform') return textAnswer(query.get('ca') === 'processor' ? 404 : 400, '');
    const headers = chainHeaders({ 'SGX-PCK-CRL-Issuer-Chain': pckCrlIssuerChain });
    return query.get('encoding') === 'der'
      ? { status: 200, headers: { ...headers, 'content-type': 'application/pkix-crl' }, body: Buffer.from(pckCrl) }
      : { status: 200, headers, body: Buffer.from(pem('X509 CRL', pckCrl)) };
  }
}

function signedDocument(name: string, text: string, signature: Uint8Array, chains: Record<string, string>): Answer {
  // The text as it was signed, not encoded again.
  return withChains(200, `{"${name}":${text},"signature":"${Buffer.from(signature).toString('hex')}"}`, chains);
}

function withChains(status: number, body: string, chains: Record<string, string>): Answer {
  return {
    status,
    headers: { 'content-type': 'application/json', ...chainHeaders(chains) },
    body: Buffer.from(body),
  };
}

/** Issuer chains travel URL-encoded in headers. */
const chainHeaders = (chains: Record<string, string>): Record<string, string> =>
  Object.fromEntries(Object.entries(chains).map(([name, text]) => [name, encodeURIComponent(text)]));
