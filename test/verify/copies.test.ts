import { describe, expect, it } from 'vitest';
import {
  type Evidence,
  explainEvidence,
  explainSnpReport,
  type VerificationOptions,
  verifyEvidence,
} from '../../lib/index.js';
import { FORGED_NONCE, forge } from './forge.js';
import { failedCodes } from './genuine.js';

type Quote = NonNullable<Evidence['quote']>;
const shared = (bytes: Uint8Array): Uint8Array => {
  const copy = new Uint8Array(new SharedArrayBuffer(bytes.length));
  copy.set(bytes);
  return copy;
};
/** A member that is something else each time it is read. */
const changing = <T>(...values: T[]): (() => T) => {
  let reads = 0;
  return () => values[Math.min(reads++, values.length - 1)] as T;
};

describe('what is checked is what is used:', () => {
  it('bytes that are changed once verification has begun, in shared memory too, change nothing', async () => {
    const { evidence, options } = await forge();
    const quote = evidence.quote as Quote;
    for (const of of [(bytes: Uint8Array) => bytes.slice(), shared]) {
      const certificates = { ...evidence.certificates, vcek: of(evidence.certificates?.vcek as Uint8Array) };
      const message = of(quote.message);
      const signature = of(quote.signature);
      const value = of(quote.pcrs.values[7] as Uint8Array);
      const hclReport = of(evidence.hclReport);
      const nonce = of(FORGED_NONCE);
      const values = { ...quote.pcrs.values, 7: value };
      const shown: Evidence = {
        version: 1,
        hclReport,
        certificates,
        quote: { message, signature, pcrs: { alg: 'sha256', values } },
      };
      const verified = verifyEvidence(shown, { ...options, nonce });
      for (const bytes of [certificates.vcek, message, signature, value, hclReport, nonce]) bytes.fill(0);
      const result = await verified;
      expect(result.pcrs?.[7]).toBe('08'.repeat(32));
      expect(result.claims?.keys).toHaveLength(1);
      expect(result).toMatchObject({ tee: 'snp', report: { version: expect.any(Number) } });
    }
  });

  it('a member that is another one when it is read again is read once', async () => {
    const { evidence, options } = await forge();
    const stranger = await forge({ authority: { name: 'stranger' } });
    const genuine = evidence.quote as Quote;
    const spoilt = { ...genuine, signature: new Uint8Array(256) };
    const hclReport = changing(evidence.hclReport, stranger.evidence.hclReport);
    const quote = changing(genuine, spoilt);
    const shown = { version: 1 as const, certificates: evidence.certificates };
    Object.defineProperty(shown, 'hclReport', { get: hclReport, enumerable: true });
    Object.defineProperty(shown, 'quote', { get: quote, enumerable: true });
    expect(failedCodes(await explainEvidence(shown as unknown as Evidence, options))).toEqual([]);
    expect(hclReport()).toBe(stranger.evidence.hclReport);
    expect(quote()).toBe(spoilt);
  });

  it('a class that lies about its length is read by what is there', async () => {
    const { evidence, options } = await forge();
    class Longer extends Uint8Array {
      override get length(): number {
        return 1 << 20;
      }
    }
    const hclReport = new Longer(evidence.hclReport);
    expect(failedCodes(await explainEvidence({ ...evidence, hclReport }, options))).toEqual([]);
  });

  it('a result that is changed does not change what is remembered of a chain', async () => {
    const { evidence, options } = await forge();
    const first = await verifyEvidence(evidence, options);
    if (first.tee !== 'snp') throw new Error('an SNP report proves SNP');
    first.certificates.vcek.hwid?.fill(0);
    first.certificates.vcek.notAfter.setFullYear(1970);
    Object.assign(first.certificates.vcek.tcb ?? {}, { microcode: 0 });
    expect(failedCodes(await explainEvidence(evidence, options))).toEqual([]);
  });

  it('certificates that are changed afterwards are not those that are remembered', async () => {
    const { evidence, options } = await forge();
    const vcek = new Uint8Array(evidence.certificates?.vcek as Uint8Array);
    const shown = { ...evidence, certificates: { ...evidence.certificates, vcek } };
    expect(failedCodes(await explainEvidence(shown, options))).toEqual([]);
    vcek[vcek.length - 1] = (vcek.at(-1) ?? 0) ^ 1;
    expect(failedCodes(await explainEvidence(shown, options))).toContain('ERR_CERTIFICATE_CHAIN');
  });

  it('neither does a chain that is remembered outlive its dates, its root or the policy', async () => {
    const { evidence, options, authority } = await forge();
    const codes = async (more: VerificationOptions): Promise<string[]> =>
      failedCodes(await explainEvidence(evidence, { ...options, ...more }));
    expect(await codes({})).toEqual([]);
    const later = new Date(Date.now() + 40 * 365 * 86_400_000);
    expect(new Set(await codes({ now: later }))).toEqual(new Set(['ERR_CERTIFICATE_EXPIRED']));
    const other = await forge({ product: 'Genoa' });
    expect(await codes({ trustedRoots: other.options.trustedRoots ?? [] })).toContain('ERR_ARK_NOT_TRUSTED');
    expect(await codes({ policy: { minimumTcb: { microcode: 255 } } })).toEqual(['ERR_POLICY']);
    expect(await codes({ crls: [authority.revocationList({ revoked: ['ask'] })] })).toEqual([
      'ERR_CERTIFICATE_REVOKED',
    ]);
    expect(await codes({})).toEqual([]);
  });
});

describe('options that would be lost are refused with 8:', () => {
  const hex = '00'.repeat(48);
  it.each<[string, object]>([
    ['a policy as a Map', { policy: new Map([['measurement', hex]]) }],
    [
      'a policy of a class',
      {
        policy: new (class {
          measurement = hex;
        })(),
      },
    ],
    ['a policy on a prototype', { policy: Object.create({ measurement: hex }) }],
    [
      'a policy by a getter',
      { policy: Object.defineProperty({}, 'measurement', { get: () => hex, enumerable: true }) },
    ],
    ['a member that is undefined', { policy: { measurement: undefined } }],
    ['a member of a member that is undefined', { policy: { pcrs: { 7: undefined } } }],
    ['a promise of a policy', { policy: Promise.resolve({}) }],
    ["allowDebug: 'false'", { policy: { allowDebug: 'false' } }],
    ["allowMigration: 'no'", { policy: { allowMigration: 'no' } }],
    ["requireSecureBoot: 'yes'", { policy: { requireSecureBoot: 'yes' } }],
    ['a nonce that is undefined', { nonce: undefined }],
    ['a policy that is undefined', { policy: undefined }],
    ['roots that are undefined', { trustedRoots: undefined }],
    ['revocation lists that are undefined', { crls: undefined }],
    ['options on a prototype', Object.create({ nonce: FORGED_NONCE })],
    ['an option by a getter', Object.defineProperty({}, 'nonce', { get: () => FORGED_NONCE, enumerable: true })],
    [
      'an option whose getter throws',
      Object.defineProperty({}, 'nonce', {
        get: () => {
          throw new Error('no');
        },
        enumerable: true,
      }),
    ],
    ['options as a Map', new Map([['nonce', FORGED_NONCE]])],
    ['a context without a nonce', { context: 'my-protocol' }],
    ['a context of this package', { nonce: FORGED_NONCE, context: 'kbs-v1' }],
    ['a context that may become one', { nonce: FORGED_NONCE, context: 'cga-anything' }],
    ['a context in capitals', { nonce: FORGED_NONCE, context: 'Protocol' }],
    ['a nonce that looks like a context’s qualifying data', { nonce: new TextEncoder().encode('CGA-qdv1 and more') }],
    ['a VM id that is not a GUID', { policy: { vmIds: ['my-vm'] } }],
    ['a VM id of zeros', { policy: { vmIds: ['00000000-0000-0000-0000-000000000000'] } }],
    ['no VM ids', { policy: { vmIds: [] } }],
  ])('%s', async (_, options) => {
    const { evidence } = await forge();
    const refusal = { name: 'AttestationError', code: 8 };
    await expect(explainEvidence(evidence, options as VerificationOptions)).rejects.toMatchObject(refusal);
    await expect(verifyEvidence(evidence, options as VerificationOptions)).rejects.toMatchObject(refusal);
  });

  it.each<[string, unknown]>([
    ['a promise', Promise.resolve({})],
    [
      'a getter that throws',
      {
        version: 1,
        get hclReport() {
          throw new TypeError('no');
        },
      },
    ],
    [
      'a revoked Proxy',
      (() => {
        const { proxy, revoke } = Proxy.revocable({}, {});
        revoke();
        return proxy;
      })(),
    ],
    ['a Proxy of bytes', { version: 1, hclReport: new Proxy(new Uint8Array(9), {}) }],
    ['an array', []],
  ])('evidence that is %s', async (_, evidence) => {
    await expect(explainEvidence(evidence as Evidence)).rejects.toMatchObject({ name: 'AttestationError', code: 8 });
  });

  it('absent and undefined are the same for the clock', async () => {
    const { evidence, options } = await forge();
    const now = undefined as unknown as Date;
    expect((await explainEvidence(evidence, { ...options, now })).ok).toBe(true);
    await expect(explainSnpReport(new Uint8Array(1184), { vcek: 'x' }, { now })).resolves.toMatchObject({ ok: false });
  });
});
