import { createPublicKey, randomUUID, X509Certificate } from 'node:crypto';
import type { Product, Tcb } from '../abi/tcb.js';
import { encodeTcb } from './evidence/tcb.js';
import { type Answer, jsonAnswer, textAnswer } from './http/behaviour.js';
import { LoopbackServer, type ReceivedRequest } from './http/loopback-server.js';
import type { MetadataValue } from './instance-metadata.js';
import type { SimulatedIdentities } from './key-vault/identities.js';
import { answerIdentity, IDENTITY_PATH } from './key-vault/identity-endpoint.js';
import type { AkCertificateOptions, VtpmAuthority } from './pki/vtpm.js';

/** Paths of the instance metadata service that a guest asks (guest-attestation-protocol.md 4). */
export const imdsPaths = {
  thimCertification: '/metadata/THIM/amd/certification',
  instance: '/metadata/instance',
  vmId: '/metadata/instance/compute/vmId',
  location: '/metadata/instance/compute/location',
  akRenewal: '/metadata/THIM/tvm/certificate/renew',
  akQuery: '/metadata/THIM/tvm/certificate/query',
  tdQuote: '/acc/tdquote',
  identity: IDENTITY_PATH,
} as const;

/** A platform that turns its own TDREPORTs into quotes. */
export interface TdQuoter {
  isOwn(report: Uint8Array): boolean;
  quote(report: Uint8Array): Buffer;
}

export interface ImdsContents {
  vmId: string;
  /** What THIM knows of the chip; undefined on a host that is not AMD's. */
  amd: { product: Product; tcb: Tcb; vcekPem: string /** ASK and ARK. */; chainPem: string } | undefined;
  /** What makes quotes; undefined on a VM that is not a TD. */
  tdx: TdQuoter | undefined;
  vtpmAuthority: VtpmAuthority;
  /** How attestation key certificates are issued here. */
  akCertificate?: AkCertificateOptions;
  /** What is below `/metadata/instance`. */
  instance: MetadataValue;
  /** Managed identities of the VM. */
  identities: SimulatedIdentities;
}

/** The instance metadata service of a simulated CVM, with THIM. Like the real one it wants the header `Metadata: true`. */
export class SimulatedImds extends LoopbackServer {
  readonly #contents: ImdsContents;
  /** Certificates that the asynchronous renewal has promised, by query id. */
  readonly #pending = new Map<string, string>();
  /** How the next attestation key certificates are issued. */
  renewedCertificate: AkCertificateOptions = {};

  constructor(contents: ImdsContents) {
    super();
    this.#contents = contents;
  }

  protected override answer(request: ReceivedRequest): Answer {
    if (request.headers.metadata?.toString().toLowerCase() !== 'true') {
      return jsonAnswer(400, { error: 'Bad request. Required metadata header not specified' });
    }
    if (request.headers['x-forwarded-for'] !== undefined) return jsonAnswer(400, { error: 'Bad request. Proxied' });
    const route = Object.entries(imdsPaths).find(
      ([, path]) => path.toLowerCase() === request.url.pathname.toLowerCase(),
    );
    switch (route?.[0]) {
      case 'thimCertification':
        return this.#certification();
      case 'identity':
        return answerIdentity(request, this.#contents.identities);
      case 'tdQuote':
        return this.#tdQuote(request);
      case 'akRenewal':
        return this.#renew(request);
      case 'akQuery':
        return this.#query(request);
      default:
        return this.#instance(request.url);
    }
  }

  /** `/metadata/instance` and what is below it: branches as JSON, leaves as text. */
  #instance({ pathname, searchParams }: URL): Answer {
    const [first, second, ...path] = pathname.split('/').filter((part) => part !== '');
    if (first?.toLowerCase() !== 'metadata' || second?.toLowerCase() !== 'instance') {
      return jsonAnswer(404, { error: 'Not found' });
    }
    let value: MetadataValue | undefined = this.#contents.instance;
    for (const part of path) value = memberOf(value, part);
    if (value === undefined) return jsonAnswer(404, { error: 'Not found' });
    if (typeof value === 'string') return textAnswer(200, value);
    if (!/^\d{4}-\d\d-\d\d$/.test(searchParams.get('api-version') ?? '')) {
      return jsonAnswer(400, {
        error: 'Bad request. api-version is invalid or was not specified in the request.',
        'newest-versions': ['2021-12-13', '2021-11-15', '2021-11-01'],
      });
    }
    return searchParams.get('format') === 'text'
      ? textAnswer(200, Object.keys(value).join('\n'))
      : jsonAnswer(200, value);
  }

  #certification(): Answer {
    const { amd } = this.#contents;
    if (!amd) return jsonAnswer(404, { error: 'Not found' });
    const { vcekPem, chainPem, product, tcb } = amd;
    return jsonAnswer(200, {
      vcekCert: vcekPem,
      tcbm: Buffer.from(encodeTcb(product, tcb)).reverse().toString('hex').toUpperCase(),
      certificateChain: chainPem,
      cacheControl: '86400',
    });
  }

  /** Takes the TDREPORT in either base64; only the platform that made it can quote it. */
  #tdQuote({ method, body }: ReceivedRequest): Answer {
    const { tdx } = this.#contents;
    if (!tdx) return jsonAnswer(404, { error: 'Not found' });
    if (method !== 'POST') return jsonAnswer(405, { error: 'Method not allowed' });
    const report = tdReportOf(body);
    if (report?.length !== 1024) return jsonAnswer(400, { error: 'Bad request. The report is not a TDREPORT' });
    if (!tdx.isOwn(report)) return jsonAnswer(400, { error: 'Bad request. The report was not made on this host' });
    return jsonAnswer(200, { quote: tdx.quote(report).toString('base64url') });
  }

  /** 2023-07-01 answers at once, 2021-12-01 with a query id to come back with. */
  #renew({ method, url, body }: ReceivedRequest): Answer {
    if (method !== 'POST') return jsonAnswer(405, { error: 'Method not allowed' });
    if (url.searchParams.get('vmId')?.toUpperCase() !== this.#contents.vmId.toUpperCase()) {
      return jsonAnswer(400, { error: 'Bad request. vmId is not of this VM' });
    }
    let pem: string;
    try {
      const old = new X509Certificate(decodeURIComponent(body.toString('utf8')));
      const publicKey = createPublicKey(old.publicKey.export({ type: 'spki', format: 'pem' }));
      const { vtpmAuthority, vmId } = this.#contents;
      pem = vtpmAuthority.issueAkCertificate(publicKey, vmId, {
        ...issuedAs(this.#contents.akCertificate),
        ...this.renewedCertificate,
      }).pem;
    } catch {
      return jsonAnswer(400, { error: 'Bad request. The body is not a percent-encoded PEM certificate' });
    }
    const queryId = randomUUID();
    if (url.searchParams.get('api-version') === '2021-12-01') {
      this.#pending.set(queryId, pem);
      return textAnswer(200, queryId);
    }
    return jsonAnswer(200, { AkCertPem: pem, CertQueryId: queryId });
  }

  #query({ url }: ReceivedRequest): Answer {
    const pem = this.#pending.get(url.searchParams.get('guid') ?? '');
    return pem ? textAnswer(200, pem) : jsonAnswer(404, { error: 'Not found' });
  }
}

/** Names are compared as the service does, whatever their case. */
function memberOf(value: MetadataValue | undefined, name: string): MetadataValue | undefined {
  if (typeof value !== 'object') return undefined;
  const found = Object.keys(value).find((member) => member.toLowerCase() === name.toLowerCase());
  return found === undefined ? undefined : (value as Record<string, MetadataValue>)[found];
}

/** A renewed certificate is of the same hierarchy and for the same VM, but not as wrong as the old one may be. */
function issuedAs({ hierarchy, subjectKind, publisher }: AkCertificateOptions = {}): AkCertificateOptions {
  return { ...(hierarchy && { hierarchy }), ...(subjectKind && { subjectKind }), ...(publisher && { publisher }) };
}

function tdReportOf(body: Buffer): Buffer | undefined {
  try {
    const { report } = JSON.parse(body.toString('utf8')) as { report?: unknown };
    return typeof report === 'string' && /^[\w+/=-]*$/.test(report) ? Buffer.from(report, 'base64') : undefined;
  } catch {
    return undefined;
  }
}
