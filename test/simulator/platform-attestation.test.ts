import { createHash, createPublicKey, randomBytes, verify, X509Certificate } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  attestationPaths,
  buildSnpReport,
  SimulatedCvm,
  type SnpReportFields,
  signSnpReport,
  TokenSigner,
} from '../../lib/simulator/index.js';
import { post, type ServiceAnswer } from './raw-guest.js';

let cvm: SimulatedCvm;
let snpReport: Buffer;
let runtimeData: Buffer;

beforeAll(async () => {
  cvm = await SimulatedCvm.start({ product: 'Milan' });
  const hcl = cvm.hclReport ?? Buffer.alloc(0);
  snpReport = hcl.subarray(32, 32 + 1184);
  runtimeData = hcl.subarray(1236, 1236 + hcl.readUInt32LE(1232));
});
afterAll(() => cvm.stop());

const base64url = (bytes: Buffer | string): string => Buffer.from(bytes).toString('base64url');
const padded = (bytes: Buffer | string): string =>
  Buffer.from(bytes).toString('base64').replaceAll('+', '-').replaceAll('/', '_');

function reportValue(report: Buffer = snpReport, encode: typeof base64url = base64url): string {
  const chain = cvm.signingLeaf.certificate.pem + cvm.authority.chainPem;
  return encode(JSON.stringify({ SnpReport: encode(report), VcekCertChain: encode(chain) }));
}

const attest = (body: Record<string, unknown>): Promise<ServiceAnswer> =>
  post(cvm, `${attestationPaths.platform}?api-version=2022-08-01`, body);

interface Token {
  header: Record<string, unknown>;
  claims: Record<string, unknown>;
  signature: Buffer;
  signed: Buffer;
}

function decode(token = ''): Token {
  const [header = '', claims = '', signature = ''] = token.split('.');
  const json = (part: string): Record<string, unknown> => JSON.parse(Buffer.from(part, 'base64url').toString());
  return {
    header: json(header),
    claims: json(claims),
    signature: Buffer.from(signature, 'base64url'),
    signed: Buffer.from(`${header}.${claims}`),
  };
}

const reportWith = (fields: SnpReportFields): Buffer =>
  signSnpReport(
    buildSnpReport('Milan', {
      chipId: snpReport.subarray(0x1a0, 0x1e0),
      reportData: snpReport.subarray(0x50, 0x90),
      ...fields,
    }),
    cvm.signingLeaf.privateKey,
  );

describe('POST /attest/SevSnpVm', () => {
  it('says what it verified, in a token that the published key verifies', async () => {
    const answer = await attest({
      report: reportValue(),
      runtimeData: { data: base64url(runtimeData), dataType: 'JSON' },
      nonce: 'noncesevsnp987',
    });
    expect(answer.status).toBe(200);
    const { header, claims, signature, signed } = decode(answer.token);
    expect(header).toEqual({
      alg: 'RS256',
      jku: `${cvm.attestationUrl}/certs`,
      kid: cvm.tokenKeys.keys[0]?.kid,
      typ: 'JWT',
    });
    expect(claims).toMatchObject({
      iss: cvm.attestationUrl,
      nonce: 'noncesevsnp987',
      'x-ms-attestation-type': 'sevsnpvm',
      'x-ms-compliance-status': 'azure-compliant-cvm',
      'x-ms-runtime': JSON.parse(runtimeData.toString()),
      'x-ms-sevsnpvm-reportdata': snpReport.subarray(0x50, 0x90).toString('hex'),
      'x-ms-sevsnpvm-microcode-svn': 219,
      'x-ms-sevsnpvm-is-debuggable': false,
      'x-ms-ver': '1.0',
    });
    expect((claims.exp as number) - (claims.iat as number)).toBe(8 * 3600);
    const certs = (await (await fetch(`${cvm.attestationUrl}/certs`)).json()) as { keys: { x5c: string[] }[] };
    expect(certs.keys).toEqual([{ kid: header.kid, kty: 'RSA', use: 'sig', x5c: [expect.any(String)] }]);
    const { publicKey } = new X509Certificate(Buffer.from(certs.keys[0]?.x5c[0] ?? '', 'base64'));
    expect(verify('sha256', signed, publicKey, signature)).toBe(true);
    expect(publicKey.equals(createPublicKey({ key: { ...cvm.tokenKeys.keys[0] }, format: 'jwk' }))).toBe(true);
  });

  it('takes padded base64url, binary runtime data, and none', async () => {
    const report = reportValue(snpReport, padded);
    for (const runtime of [
      { data: padded(runtimeData), dataType: 'Binary' },
      { data: '', dataType: 'Binary' },
      undefined,
    ]) {
      const answer = await attest({ report, runtimeData: runtime });
      expect(answer.status).toBe(200);
      expect(decode(answer.token).claims).not.toHaveProperty('x-ms-runtime');
    }
  });

  it('compares init time data with the host data', async () => {
    const data = Buffer.from('{"policy":"v1"}');
    const hostData = createHash('sha256').update(data).digest();
    const report = reportValue(reportWith({ hostData }));
    const answer = await attest({ report, initTimeData: { data: base64url(data), dataType: 'JSON' } });
    expect(decode(answer.token).claims).toMatchObject({
      'x-ms-inittime': { policy: 'v1' },
      'x-ms-sevsnpvm-hostdata': hostData.toString('hex'),
    });
    const other = await attest({ report: reportValue(), initTimeData: { data: base64url(data), dataType: 'JSON' } });
    expect(other).toMatchObject({ status: 400, error: { code: 'AttestationFailed' } });
    expect(other.error?.message).toMatch(/init time data does not hash to the host data/);
  });

  it('gives an unsigned token for a draft policy', async () => {
    const answer = await attest({ report: reportValue(), draftPolicyForAttestation: 'version= 1.0;' });
    const { header, signature, claims } = decode(answer.token);
    expect(header.alg).toBe('none');
    expect(signature).toHaveLength(0);
    expect(claims['x-ms-policy-hash']).toBe(createHash('sha256').update('version= 1.0;').digest('base64url'));
  });

  it('answers the documented sample request, whose report is empty, with a CloudError', async () => {
    const runtime = { data: base64url('{"keys":[]}'), dataType: 'JSON' };
    const answer = await attest({ report: '', runtimeData: runtime });
    expect(answer).toEqual({ status: 400, error: { code: 'InvalidParameter', message: 'report is empty' } });
  });

  it.each<[string, () => Record<string, unknown>, RegExp]>([
    ['no report', () => ({}), /report is empty/],
    ['a report that is not base64', () => ({ report: '%' }), /report is not base64/],
    ['a report that is not JSON', () => ({ report: base64url('x') }), /report is not JSON/],
    ['a report of another size', () => ({ report: reportValue(Buffer.alloc(1000)) }), /1000 bytes, not 1184/],
    [
      'other runtime data',
      () => ({ report: reportValue(), runtimeData: { data: base64url('{}'), dataType: 'JSON' } }),
      /runtime data does not hash/,
    ],
    [
      'an unknown data type',
      () => ({ report: reportValue(), runtimeData: { data: base64url('{}'), dataType: 'Text' } }),
      /neither Binary nor JSON/,
    ],
    ['a nonce that is not text', () => ({ report: reportValue(), nonce: 7 }), /nonce is not a string/],
    ['a debuggable guest', () => ({ report: reportValue(reportWith({ policy: 0xb001fn })) }), /debugging .*ERR_POLICY/],
    ['a flipped bit', () => ({ report: reportValue(Buffer.from(snpReport).fill(1, 0x90, 0x91)) }), /ERR_SNP_SIGNATURE/],
    ['another chip', () => ({ report: reportValue(reportWith({ chipId: randomBytes(64) })) }), /ERR_HWID_MISMATCH/],
  ])('refuses %s', async (_name, body, reason) => {
    const answer = await attest(body());
    expect(answer.status).toBe(400);
    expect(answer.error?.message).toMatch(reason);
  });
});

describe('the service itself', () => {
  it('publishes its metadata', async () => {
    const response = await fetch(`${cvm.attestationUrl}/.well-known/openid-configuration`);
    expect(await response.json()).toMatchObject({
      issuer: cvm.attestationUrl,
      jwks_uri: `${cvm.attestationUrl}/certs`,
      id_token_signing_alg_values_supported: ['RS256'],
    });
  });

  it('publishes another key once its signer has changed', async () => {
    const before = cvm.attestation.signer;
    cvm.attestation.signer = await TokenSigner.create('rotated');
    const answer = await attest({ report: reportValue() });
    expect(decode(answer.token).header.kid).toBe(cvm.tokenKeys.keys[0]?.kid);
    expect(cvm.tokenKeys.keys[0]?.kid).not.toBe(before.keyId);
    cvm.attestation.signer = before;
  });

  it('wants a bearer token where it is told so, and speaks TLS', async () => {
    await using tls = await SimulatedCvm.start({ attestation: { tls: true, bearerToken: 'secret' } });
    expect(tls.attestationUrl).toMatch(/^https:\/\/localhost:\d+$/);
    const ask = (authorization?: string): Promise<number> =>
      new Promise((resolve, reject) => {
        import('node:https').then(({ request }) => {
          const headers = { 'content-type': 'application/json', ...(authorization ? { authorization } : {}) };
          const url = `${tls.attestationUrl}${attestationPaths.platform}?api-version=2022-08-01`;
          const sent = request(url, { method: 'POST', headers, ca: tls.ca }, (response) => {
            response.resume();
            resolve(response.statusCode ?? 0);
          });
          sent.on('error', reject).end('{}');
        });
      });
    expect(await ask()).toBe(401);
    expect(await ask('Bearer secret')).toBe(400);
  });
});
