import { type Certificate, namesIssuer, parseCertificate, parseCertificates } from '../abi/x509.js';
import { issuerAddress } from '../abi/x509-extensions.js';
import { untilAborted } from '../base/abort.js';
import { AttestationError, ErrorCode } from '../base/errors.js';
import type { Logger } from '../base/logger.js';
import { exchange } from '../http/exchange.js';
import type { HttpSettings } from '../http/retry.js';
import { isLoopback } from '../http/service-url.js';

/** Authorities between an attestation key's certificate and the root: Azure has one or two. */
const MAX_INTERMEDIATES = 4;
const MAX_CERTIFICATE_BYTES = 16 * 1024;
const TIMEOUT_MS = 5_000;
/** What could not be fetched is not tried again sooner. */
const FAILURE_PAUSE_MS = 10 * 60_000;
/**
 * Where an issuer may be fetched from. The address stands in a certificate that nobody has verified yet: without this, who
 * can write that certificate could have this VM ask any address inside its network.
 */
const PUBLISHERS = /(?:^|\.)(?:microsoft\.com|azure\.com|azure\.net|windows\.net)$/;

export interface IssuerSources {
  roots: readonly Certificate[];
  /** Intermediates that are at hand. */
  intermediates: readonly Certificate[];
  /** Own roots are trusted, a simulated machine's: its issuers are on the loopback interface. */
  simulated: boolean;
}

/**
 * The certificates between an attestation key's and its root: those at hand, and others by the address that a certificate
 * gives for its issuer (RFC 5280 section 4.2.2.1). Nothing of it is trusted before a path to a root is verified.
 */
export class IssuerCertificates {
  readonly #fetched = new Map<string, Promise<Certificate | undefined>>();

  constructor(
    readonly sources: IssuerSources,
    readonly settings: HttpSettings,
    readonly logger: Logger,
  ) {}

  /** From the leaf's issuer on upwards, without the root; what is not available is left out, and logged. */
  async above(leaf: Certificate, signal?: AbortSignal): Promise<Certificate[]> {
    const { roots, intermediates } = this.sources;
    const chain: Certificate[] = [];
    for (let last = leaf; chain.length < MAX_INTERMEDIATES; ) {
      if (roots.some((root) => namesIssuer(last, root))) break;
      const issuer = intermediates.find((one) => namesIssuer(last, one)) ?? (await this.#fetch(last, signal));
      // A certificate that issued itself is a root, which is not sent along.
      if (issuer === undefined || namesIssuer(issuer, issuer)) break;
      chain.push(issuer);
      last = issuer;
    }
    return chain;
  }

  #fetch(certificate: Certificate, signal: AbortSignal | undefined): Promise<Certificate | undefined> {
    const address = issuerAddress(certificate);
    if (address === undefined) return Promise.resolve(undefined);
    let fetched = this.#fetched.get(address);
    if (fetched === undefined) {
      fetched = this.#load(address, certificate);
      this.#fetched.set(address, fetched);
    }
    return untilAborted(fetched, signal);
  }

  async #load(address: string, certificate: Certificate): Promise<Certificate | undefined> {
    try {
      const url = this.#allowed(address);
      const { limits } = this.settings;
      const bounded = {
        ...limits,
        timeoutMs: Math.min(limits.timeoutMs, TIMEOUT_MS),
        maxBodyBytes: MAX_CERTIFICATE_BYTES,
      };
      const once = { ...this.settings, limits: bounded, retryOn: () => false };
      const peer = { name: 'the issuer of the attestation key', unreadable: ErrorCode.AK_CERT_PARSING };
      const body = await exchange(once, { method: 'GET', url }, peer);
      const issuer = body[0] === 0x30 ? parseCertificate(body) : parseCertificates(body)[0];
      if (issuer === undefined || !namesIssuer(certificate, issuer)) {
        throw new AttestationError(ErrorCode.AK_CERT_PARSING, 'what is there is another certificate');
      }
      return issuer;
    } catch (error) {
      this.logger.warn(
        `the issuer of the attestation key's certificate cannot be fetched: ${error instanceof Error ? error.message : String(error)}`,
      );
      setTimeout(() => this.#fetched.delete(address), FAILURE_PAUSE_MS).unref();
      return undefined;
    }
  }

  #allowed(address: string): URL {
    const url = URL.canParse(address) ? new URL(address) : undefined;
    const web = url?.protocol === 'http:' || url?.protocol === 'https:';
    if (url !== undefined && web && url.username === '' && url.password === '') {
      if (PUBLISHERS.test(url.hostname) && url.port === '') return url;
      if (this.sources.simulated && isLoopback(url.hostname)) return url;
    }
    throw new AttestationError(
      ErrorCode.AK_CERT_PARSING,
      `no certificate is fetched from ${JSON.stringify(address.slice(0, 120))}`,
    );
  }
}
