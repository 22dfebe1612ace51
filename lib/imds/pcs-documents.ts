import type { RevocationList } from '../abi/crl.js';
import { readSignedJson } from '../abi/signed-json.js';
import { type DocumentHead, readDocumentHead } from '../abi/tcb-info.js';
import { parseIntelCrl } from '../abi/tdx-collateral.js';
import { parseCertificates } from '../abi/x509.js';
import { decodeBase64, encodeBase64 } from '../base/base64url.js';
import { utf8Bytes, utf8Text } from '../base/bytes.js';
import { AttestationError, ErrorCode } from '../base/errors.js';
import type { DocumentCache } from '../http/document-cache.js';
import { exchangeAnswer } from '../http/exchange.js';
import type { HttpSettings } from '../http/retry.js';
import type { PcsSource } from './pcs-source.js';

/** CA that issued a PCK certificate. */
export type PckCa = 'platform' | 'processor';

/** A signed document with the certificates behind it. */
export interface PcsDocument {
  /** Byte for byte as Intel signed it. */
  readonly text: string;
  readonly signature: Uint8Array;
  /** PEM. */
  readonly chain: string;
  /** TCB evaluation data number. */
  readonly number: number;
}

const PEER = { name: 'the provisioning certification service', unreadable: ErrorCode.RESPONSE_PARSING };
const DAY_MS = 24 * 3600 * 1000;
/** Names in lower case; the second is that of an older version. */
const CHAIN_HEADERS = {
  tcbInfo: ['tcb-info-issuer-chain', 'sgx-tcb-info-issuer-chain'],
  enclaveIdentity: ['sgx-enclave-identity-issuer-chain'],
  pckCrl: ['sgx-pck-crl-issuer-chain'],
} as const;

/** The documents of one source (Intel PCS API v4), each with its issuer chain, kept in a cache until it ends. */
export class PcsDocuments {
  readonly #source: PcsSource;
  readonly #settings: HttpSettings;
  readonly #cache: DocumentCache;
  readonly #signal: AbortSignal | undefined;

  constructor(source: PcsSource, settings: HttpSettings, cache: DocumentCache, signal: AbortSignal | undefined) {
    this.#source = source;
    this.#settings = settings;
    this.#cache = cache;
    this.#signal = signal;
  }

  /** @param fmspc 12 hex digits */
  tcbInfo(fmspc: string, number: number | string | undefined): Promise<PcsDocument> {
    const url = this.#numbered('tdx/certification/v4/tcb', number);
    url.searchParams.set('fmspc', fmspc);
    return this.#document(url, 'tcbInfo', (document) => {
      const same = String(document.value.fmspc).toLowerCase() === fmspc;
      if (!same || document.head.id !== 'TDX') throw notWanted('TCB info of another platform');
    });
  }

  qeIdentity(number: number | string | undefined): Promise<PcsDocument> {
    return this.#document(this.#numbered('tdx/certification/v4/qe/identity', number), 'enclaveIdentity', (document) => {
      if (document.head.id !== 'TD_QE') throw notWanted('another identity');
    });
  }

  async pckCrl(ca: PckCa): Promise<{ der: Uint8Array; chain: string }> {
    const url = new URL('sgx/certification/v4/pckcrl', this.#source.base);
    url.searchParams.set('ca', ca);
    url.searchParams.set('encoding', 'der');
    const { body, chain } = await this.#get(url, CHAIN_HEADERS.pckCrl, LIST);
    return { der: parseIntelCrl(body).der, chain };
  }

  /** The first of the places that has it. */
  async rootCrl(): Promise<{ der: Uint8Array }> {
    const [first, ...others] = this.#source.rootCrls;
    if (first === undefined) throw notWanted('no address of the root revocation list');
    let place = first;
    for (const next of others) {
      try {
        return { der: parseIntelCrl((await this.#get(place, [], LIST)).body).der };
      } catch (error) {
        if (!(error instanceof AttestationError) || error.status !== 404) throw error;
        place = next;
      }
    }
    return { der: parseIntelCrl((await this.#get(place, [], LIST)).body).der };
  }

  #numbered(path: string, number: number | string | undefined): URL {
    const url = new URL(path, this.#source.base);
    if (typeof number === 'number') url.searchParams.set('tcbEvaluationDataNumber', String(number));
    else if (number !== undefined) url.searchParams.set('update', number);
    return url;
  }

  async #document(
    url: URL,
    member: 'tcbInfo' | 'enclaveIdentity',
    requireKind: (document: ReturnType<typeof readDocument>) => void,
  ): Promise<PcsDocument> {
    const read = (body: Uint8Array) => readDocument(body, member);
    const { body, chain } = await this.#get(url, CHAIN_HEADERS[member], {
      require: (bytes) => requireKind(read(bytes)),
      issued: (bytes) => read(bytes).head.issueDate,
      ends: (bytes) => read(bytes).head.nextUpdate,
      needsChain: true,
    });
    const { text, signature, head } = read(body);
    return { text, signature, chain, number: head.tcbEvaluationDataNumber };
  }

  /** From the cache or the service: body and issuer chain, kept together, because the chain is in a header. */
  async #get(url: URL, headers: readonly string[], rules: Rules): Promise<Sealed> {
    const bytes = await this.#cache.get(
      {
        name: `pcs-${url.host}${url.pathname}${url.search}`.replace(/[^A-Za-z0-9]+/g, '-'),
        maxAgeMs: DAY_MS,
        issuedAt: (sealed) => rules.issued(unseal(sealed).body).getTime(),
        expiresAt: (sealed) => rules.ends(unseal(sealed).body).getTime(),
        check: (sealed) => {
          const { body, chain } = unseal(sealed);
          requireReadable(() => {
            rules.require(body);
            rules.ends(body);
            if (rules.needsChain || chain !== '') parseCertificates(chain);
          });
        },
        fetch: async () => {
          const answer = await exchangeAnswer(this.#settings, { method: 'GET', url }, PEER, this.#signal);
          if (answer.body.length === 0)
            throw new AttestationError(ErrorCode.EMPTY_RESPONSE, `${PEER.name} answered nothing`);
          const header = headers.map((name) => answer.headers[name]).find((value) => value !== undefined);
          return seal({ body: answer.body, chain: header === undefined ? '' : decodeHeader(header) });
        },
      },
      this.#signal,
    );
    return unseal(bytes);
  }
}

interface Rules {
  /** Throws for anything but the document. */
  readonly require: (body: Uint8Array) => void;
  readonly issued: (body: Uint8Array) => Date;
  readonly ends: (body: Uint8Array) => Date;
  readonly needsChain: boolean;
}

const LIST: Rules = {
  require: (body) => void parseIntelCrl(body),
  issued: (body) => parseIntelCrl(body).thisUpdate,
  ends: (body) => endOf(parseIntelCrl(body)),
  needsChain: false,
};

function endOf({ nextUpdate }: RevocationList): Date {
  if (nextUpdate === undefined) throw notWanted('a revocation list without an end');
  return nextUpdate;
}

function readDocument(body: Uint8Array, member: string) {
  const text = utf8Text(body);
  if (text === undefined) throw notWanted('an answer that is not UTF-8');
  const { signature, ...document } = readSignedJson(text, member);
  if (signature === undefined) throw notWanted(`a ${member} without a signature`);
  const head: DocumentHead = readDocumentHead(document.value, member);
  return { ...document, signature, head };
}

interface Sealed {
  readonly body: Uint8Array;
  readonly chain: string;
}

const seal = ({ body, chain }: Sealed): Uint8Array => utf8Bytes(JSON.stringify({ body: encodeBase64(body), chain }));

function unseal(bytes: Uint8Array): Sealed {
  const { body, chain } = JSON.parse(utf8Text(bytes) ?? '') as { body?: unknown; chain?: unknown };
  const decoded = typeof body === 'string' ? decodeBase64(body) : undefined;
  if (decoded === undefined || typeof chain !== 'string') throw notWanted('a cache entry that is malformed');
  return { body: decoded, chain };
}

/** Issuer chains travel URL-encoded in headers. */
function decodeHeader(value: string): string {
  try {
    return decodeURIComponent(value);
  } catch (cause) {
    throw notWanted('an issuer chain that is not URL-encoded', cause);
  }
}

/** The answer of a service that cannot be read is 2, whatever its parser says. */
function requireReadable(read: () => void): void {
  try {
    read();
  } catch (cause) {
    if (cause instanceof AttestationError && cause.code === ErrorCode.RESPONSE_PARSING) throw cause;
    throw notWanted(cause instanceof Error ? cause.message : String(cause), cause);
  }
}

function notWanted(what: string, cause?: unknown): AttestationError {
  const details = cause === undefined ? {} : { cause };
  return new AttestationError(
    ErrorCode.RESPONSE_PARSING,
    `${PEER.name} answered with something else: ${what}`,
    details,
  );
}
