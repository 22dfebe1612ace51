import { generateKeyPairSync, type KeyObject, sign } from 'node:crypto';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { JSONWebKeySet, JWK } from 'jose';

export type Claims = Record<string, unknown>;
export type Header = Record<string, unknown>;

export const ISSUER = 'https://sharedtest.attest.example';
/** Standard base64 with every character that base64url lacks, as the service's kids have. */
export const KID = 'dRKh+hBcWUfQ/mSl3Iv6ZhStW3TSOt0ThwiTgUUqZAo=';
export const NOW = new Date('2026-05-01T12:00:00Z');
export const NOW_SECONDS = NOW.getTime() / 1000;
export const VM_ID = '2DEDC52A-6832-46CE-9910-E8C9980BF5A7';
export const MEASUREMENT = '89'.repeat(48);
export const ID_KEY = '03'.repeat(48);
export const HOST_DATA = 'ab'.repeat(32);

export interface KeyPair {
  publicKey: KeyObject;
  privateKey: KeyObject;
}

export const rsaKeys = (bits = 2048): KeyPair => generateKeyPairSync('rsa', { modulusLength: bits });

export const jwkOf = (pair: KeyPair, kid = KID, more: Partial<JWK> = {}): JWK => ({
  ...(pair.publicKey.export({ format: 'jwk' }) as JWK),
  kid,
  use: 'sig',
  alg: 'RS256',
  ...more,
});

export const base64url = (value: string | object): string =>
  Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)).toString('base64url');

/** A compact JWS of exactly these texts, signed with RS256 whatever the header says. */
export function signTexts(header: string, payload: string, key: KeyObject): string {
  const input = `${base64url(header)}.${base64url(payload)}`;
  return `${input}.${sign('sha256', Buffer.from(input), key).toString('base64url')}`;
}

export function signToken(claims: Claims, key: KeyObject, header: Header = {}): string {
  const whole = { alg: 'RS256', jku: `${claims.iss}/certs`, kid: KID, typ: 'JWT', ...header };
  return signTexts(JSON.stringify(whole), JSON.stringify(claims), key);
}

const ephemeralKey = rsaKeys();
export const EPHEMERAL_JWK = { ...ephemeralKey.publicKey.export({ format: 'jwk' }), kid: 'TpmEphemeralEncryptionKey' };

const sevSnpClaims = (): Claims => ({
  'x-ms-attestation-type': 'sevsnpvm',
  'x-ms-compliance-status': 'azure-compliant-cvm',
  'x-ms-runtime': {
    keys: [{ e: 'AQAB', key_ops: ['sign'], kid: 'HCLAkPub', kty: 'RSA', n: 'AQAB' }],
    'vm-configuration': { 'console-enabled': true, 'secure-boot': true, 'tpm-enabled': true, vmUniqueId: VM_ID },
  },
  'x-ms-sevsnpvm-authorkeydigest': '00'.repeat(48),
  'x-ms-sevsnpvm-bootloader-svn': 4,
  'x-ms-sevsnpvm-familyId': `01${'00'.repeat(15)}`,
  'x-ms-sevsnpvm-guestsvn': 5,
  'x-ms-sevsnpvm-hostdata': HOST_DATA,
  'x-ms-sevsnpvm-idkeydigest': ID_KEY,
  'x-ms-sevsnpvm-imageId': `02${'00'.repeat(15)}`,
  'x-ms-sevsnpvm-is-debuggable': false,
  'x-ms-sevsnpvm-launchmeasurement': MEASUREMENT,
  'x-ms-sevsnpvm-microcode-svn': 219,
  'x-ms-sevsnpvm-migration-allowed': false,
  'x-ms-sevsnpvm-reportdata': `${'11'.repeat(32)}${'00'.repeat(32)}`,
  'x-ms-sevsnpvm-reportid': '22'.repeat(32),
  'x-ms-sevsnpvm-smt-allowed': true,
  'x-ms-sevsnpvm-snpfw-svn': 24,
  'x-ms-sevsnpvm-tee-svn': 0,
  'x-ms-sevsnpvm-vmpl': 0,
});

const commonClaims = (): Claims => ({
  iss: ISSUER,
  jti: '3bf48db13e9cbcbfd289370d9146aae3',
  iat: NOW_SECONDS - 10,
  nbf: NOW_SECONDS - 10,
  exp: NOW_SECONDS + 8 * 3600,
  'x-ms-policy-hash': 'wm9mHlvTU82e8UqoOy1Yj1FBRSNkfe99-69IYDq9eWs',
  'x-ms-ver': '1.0',
});

/** Claims of a guest attestation token, as documented. */
export const guestClaims = (more: Claims = {}, tee: Claims = {}): Claims => ({
  ...commonClaims(),
  secureboot: true,
  'x-ms-attestation-type': 'azurevm',
  'x-ms-azurevm-attestation-protocol-ver': '2.0',
  'x-ms-azurevm-attested-pcrs': [0, 1, 2, 3, 4, 5, 6, 7],
  'x-ms-azurevm-bootdebug-enabled': false,
  'x-ms-azurevm-hypervisordebug-enabled': false,
  'x-ms-azurevm-is-windows': false,
  'x-ms-azurevm-kerneldebug-enabled': false,
  'x-ms-azurevm-osdistro': 'Ubuntu',
  'x-ms-azurevm-ostype': 'Linux',
  'x-ms-azurevm-vmid': VM_ID,
  'x-ms-isolation-tee': { ...sevSnpClaims(), ...tee },
  'x-ms-runtime': {
    'client-payload': {
      nonce: Buffer.from('011510062022').toString('base64'),
      role: Buffer.from('µ-x').toString('base64'),
    },
    keys: [EPHEMERAL_JWK],
  },
  ...more,
});

/** Claims of a platform attestation token, as documented. */
export const platformClaims = (more: Claims = {}): Claims => ({
  ...commonClaims(),
  nonce: '011510062022',
  ...sevSnpClaims(),
  ...more,
});

/** Claims about TDX hardware, as in the published example. */
export const tdxClaims = (): Claims => ({
  'x-ms-attestation-type': 'tdxvm',
  'x-ms-compliance-status': 'azure-compliant-cvm',
  attester_tcb_status: 'UpToDate',
  dbgstat: 'disabled',
  eat_profile: 'https://aka.ms/maa-eat-profile-tdxvm',
  intuse: 'generic',
  tdx_mrtd: 'c7'.repeat(48),
  tdx_mrconfigid: '00'.repeat(48),
  tdx_td_attributes: '0000001000000000',
  tdx_td_attributes_debug: false,
  tdx_tee_tcb_svn: `0d01${'05'.repeat(14)}`,
  tdx_xfam: 'e718060000000000',
  'x-ms-runtime': {
    keys: [{ e: 'AQAB', key_ops: ['sign'], kid: 'HCLAkPub', kty: 'RSA', n: 'AQAB' }],
    'vm-configuration': { 'console-enabled': true, 'secure-boot': true, 'tpm-enabled': true, vmUniqueId: VM_ID },
  },
});

/** Claims of a guest attestation token of a TDX machine. */
export const tdxGuestClaims = (more: Claims = {}, tee: Claims = {}): Claims =>
  guestClaims({ 'x-ms-isolation-tee': { ...tdxClaims(), ...tee }, ...more });

/** Claims of a platform attestation token of a TDX machine. */
export const tdxPlatformClaims = (more: Claims = {}): Claims => ({
  ...commonClaims(),
  nonce: '011510062022',
  ...tdxClaims(),
  ...more,
});

/** An issuer's web server on the loopback interface; `respond` may be exchanged at any time. */
export class TestIssuer implements AsyncDisposable {
  readonly keys = rsaKeys();
  requests: string[] = [];
  set: JSONWebKeySet = { keys: [jwkOf(this.keys)] };
  respond: (request: IncomingMessage, response: ServerResponse) => void = (_, response) => {
    response.setHeader('content-type', 'application/json').end(JSON.stringify(this.set));
  };
  readonly #server: Server;

  private constructor() {
    this.#server = createServer((request, response) => {
      this.requests.push(request.url ?? '');
      this.respond(request, response);
    });
  }

  static async start(): Promise<TestIssuer> {
    const issuer = new TestIssuer();
    await new Promise<void>((resolve) => issuer.#server.listen(0, '127.0.0.1', resolve));
    return issuer;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  token(more: Claims = {}, header: Header = {}): string {
    return signToken(guestClaims({ iss: this.url, ...more }), this.keys.privateKey, header);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}
