import { randomBytes } from 'node:crypto';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { tdDifferences } from '../../lib/abi/td-equality.js';
import { parseTdQuote } from '../../lib/abi/td-quote.js';
import { parseTdReport } from '../../lib/abi/td-report.js';
import {
  type AttestationClient,
  decodeUnverifiedToken,
  evidenceFromJson,
  evidenceToJson,
  parseHclReport,
} from '../../lib/index.js';
import { type Behaviour, imdsPaths, namedFaults, SimulatedCvm } from '../../lib/simulator/index.js';
import { clientOf } from './client.js';

let cvm: SimulatedCvm;
let client: AttestationClient;
beforeAll(async () => {
  cvm = await SimulatedCvm.start({ vmType: 'tdx' });
  client = clientOf(cvm);
});
afterEach(() => cvm.imds.clearBehaviours());
afterAll(async () => {
  await client?.close();
  await cvm?.stop();
});

const attest = (guest: AttestationClient, machine: SimulatedCvm = cvm) =>
  guest.attest({ attestationUrl: machine.attestationUrl });
const CALLS: [string, (guest: AttestationClient) => Promise<unknown>][] = [
  ['attest', (guest) => attest(guest)],
  ['getEvidence', (guest) => guest.getEvidence()],
];

describe('a guest of Intel TDX', () => {
  it('attests: Type Tdx, with the quote as the host returned it', async () => {
    const token = await attest(client);
    expect(decodeUnverifiedToken(token).claims['x-ms-isolation-tee']).toMatchObject({
      'x-ms-attestation-type': 'tdxvm',
    });
    const { AttestationInfo } = JSON.parse(cvm.attestation.requests.at(-1)?.body.toString('utf8') ?? '{}');
    const { IsolationInfo } = JSON.parse(Buffer.from(AttestationInfo, 'base64url').toString('utf8'));
    expect(IsolationInfo.Type).toBe('Tdx');
    expect(Object.keys(IsolationInfo.Evidence)).toEqual(['Proof', 'RunTimeData']);
    const quote = Buffer.from(IsolationInfo.Evidence.Proof, 'base64');
    expect(quote.toString('base64')).toBe(IsolationInfo.Evidence.Proof);
    expect(quote.length).toBe(5006);
    expect(Buffer.from(IsolationInfo.Evidence.RunTimeData, 'base64').toString('utf8')).toContain('HCLAkPub');
  });

  it('asks for the quote as Microsoft’s clients do: base64url of 1024 bytes, with the metadata header', async () => {
    await client.getEvidence();
    const request = cvm.imds.requests.filter(({ url }) => url.pathname === imdsPaths.tdQuote).at(-1);
    expect(request).toMatchObject({ method: 'POST' });
    expect(request?.headers).toMatchObject({ metadata: 'true', 'content-type': 'application/json' });
    const { report } = JSON.parse(request?.body.toString('utf8') ?? '{}');
    expect(report).toMatch(/^[A-Za-z0-9_-]{1366}$/);
  });

  it('has evidence with a quote of the very report in it, and no certificates of AMD’s', async () => {
    const nonce = randomBytes(32);
    const userData = randomBytes(64);
    const evidence = await client.getEvidence({ nonce, userData });
    const { reportType, hardwareReport, claims } = parseHclReport(evidence.hclReport);
    expect(reportType).toBe('tdx');
    expect(claims['user-data']?.toLowerCase()).toBe(userData.toString('hex'));
    expect(evidence.certificates).toBeUndefined();
    const quote = parseTdQuote(evidence.tdQuote ?? new Uint8Array());
    expect(tdDifferences(parseTdReport(hardwareReport), quote)).toEqual([]);
    const again = evidenceFromJson(evidenceToJson(evidence));
    expect(Buffer.from(again.tdQuote ?? [])).toEqual(Buffer.from(evidence.tdQuote ?? []));
  });

  describe.each(CALLS)('%s', (_, call) => {
    it.each<[string, { code: number; status?: number; message?: string }, Behaviour]>([
      ['no quote in the answer', { code: 30 }, { kind: 'answer', body: {} }],
      ['an empty quote', { code: 30 }, { kind: 'answer', body: { quote: '' } }],
      ['null for the quote', { code: 30 }, { kind: 'answer', body: { quote: null } }],
      ['nothing', { code: 30 }, { kind: 'answer', body: '' }],
      ['no JSON', { code: 16 }, { kind: 'answer', body: '<html>' }],
      ['an array', { code: 16 }, { kind: 'answer', body: '[]' }],
      ['two quotes', { code: 16 }, { kind: 'answer', body: '{"quote":"AAAA","quote":"BBBB"}' }],
      ['a quote that is a number', { code: 16 }, { kind: 'answer', body: { quote: 5 } }],
      ['a quote that is not base64', { code: 16 }, { kind: 'answer', body: { quote: '****' } }],
      ['a quote of 20 KiB', { code: 16 }, { kind: 'answer', body: { quote: 'A'.repeat(28_000) } }],
      ['an answer of 300 KB', { code: 16 }, { kind: 'oversized', bytes: 300_000 }],
      ['bytes that are not a quote', { code: 20 }, { kind: 'answer', body: { quote: 'A'.repeat(6_000) } }],
      ['a refusal', { code: 5, status: 400 }, { kind: 'answer', status: 400 }],
      ['404 for ever', { code: 4, status: 404 }, { kind: 'answer', status: 404, times: 99 }],
      ['503 for ever', { code: 4, status: 503 }, { kind: 'answer', status: 503, times: 99 }],
    ])('fails when the host answers with %s', async (_name, expected, behaviour) => {
      cvm.imds.respond(imdsPaths.tdQuote, behaviour);
      await using guest = clientOf(cvm);
      await expect(call(guest)).rejects.toMatchObject({ name: 'AttestationError', ...expected });
    });

    it.each<[string, Behaviour]>([
      ['404', { kind: 'answer', status: 404, times: 2 }],
      ['410', { kind: 'answer', status: 410, times: 2 }],
      ['429', { kind: 'answer', status: 429, times: 2 }],
      ['503', { kind: 'answer', status: 503, times: 2 }],
      ['a cut connection', { kind: 'close', times: 2 }],
    ])('survives %s', async (_name, behaviour) => {
      cvm.imds.respond(imdsPaths.tdQuote, behaviour);
      await using guest = clientOf(cvm);
      await call(guest);
    });

    it('takes the quote in standard base64, too', async () => {
      cvm.imds.respond(imdsPaths.tdQuote, {
        kind: 'modify',
        modify: (answer) => {
          const { quote } = JSON.parse(answer.body.toString('utf8'));
          const standard = Buffer.from(quote, 'base64url').toString('base64');
          return { ...answer, body: Buffer.from(JSON.stringify({ quote: standard, runtimeData: { data: 'x' } })) };
        },
      });
      await using guest = clientOf(cvm);
      await call(guest);
    });
  });

  it.each(['attest', 'getEvidence'] as const)(
    '%s refuses the quote of another report before it is used',
    async (call) => {
      await using foreign = await SimulatedCvm.start(namedFaults['td-quote-of-another-report'].options);
      await using guest = clientOf(foreign);
      const failing = call === 'attest' ? attest(guest, foreign) : guest.getEvidence();
      await expect(failing).rejects.toMatchObject({ code: 9, message: expect.stringContaining('reportData') });
      expect(foreign.attestation.requests).toEqual([]);
    },
  );

  it('a stale quote is asked for again once', async () => {
    const { body } = { body: { quote: '' } };
    await client.getEvidence();
    const stale = await client.getEvidence();
    body.quote = Buffer.from(stale.tdQuote ?? []).toString('base64url');
    cvm.imds.respond(imdsPaths.tdQuote, { kind: 'answer', body });
    const evidence = await client.getEvidence({ userData: randomBytes(64) });
    const report = parseTdReport(parseHclReport(evidence.hclReport).hardwareReport);
    expect(tdDifferences(report, parseTdQuote(evidence.tdQuote ?? new Uint8Array()))).toEqual([]);
  });
});

describe('tdDifferences', () => {
  it('sees one changed byte in every field that quote and report share', async () => {
    const { hclReport, tdQuote } = await client.getEvidence();
    const { hardwareReport } = parseHclReport(hclReport);
    const quote = parseTdQuote(tdQuote ?? new Uint8Array());
    const fields: [string, number][] = [
      ['teeTcbSvn', 0x108],
      ['mrseam', 0x118],
      ['mrsignerseam', 0x148],
      ['seamAttributes', 0x178],
      ['tdAttributes', 0x200],
      ['xfam', 0x208],
      ['mrtd', 0x210],
      ['mrconfigid', 0x240],
      ['mrowner', 0x270],
      ['mrownerconfig', 0x2a0],
      ...[0, 1, 2, 3].map((at): [string, number] => [`rtmr${at}`, 0x2d0 + 48 * at]),
      ['reportData', 0x80],
    ];
    for (const [name, offset] of fields) {
      const changed = Uint8Array.from(hardwareReport);
      changed[offset] = (changed[offset] ?? 0) ^ 1;
      expect(tdDifferences(parseTdReport(changed), quote)).toEqual([name]);
    }
  });
});
