import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import {
  type Evidence,
  evidenceFromJson,
  explainEvidence,
  importTrusteeEvidence,
  parseEventLog,
  replayEventLog,
  type VerificationOptions,
  verifyEvidence,
} from '../../lib/index.js';
import { fixture, withFixtures } from '../fixtures.js';
import { FORGED_NONCE, type Forgery, forge } from './forge.js';
import { failedCodes } from './genuine.js';
import { application, grub, linuxBoot, makeLog, secureBoot, variable } from './log.js';

/** What a verifier must not get wrong, from the attacks on this one: number, mistake, what refuses it. */
type Row = [number: number, mistake: string, attack: () => Promise<string[]>, refusals: string[]];

const VM = '2f9d8d2e-3c1a-4a1b-9a55-0d5f0c7c3a10';
const codes = async (
  forgery: Forgery,
  more: VerificationOptions = {},
  shown: Partial<Evidence> = {},
): Promise<string[]> => {
  const { evidence, options } = await forge(forgery);
  return failedCodes(await explainEvidence({ ...evidence, ...shown }, { ...options, ...more }));
};
const vm = (vmUniqueId: unknown): Forgery => ({
  claims: (claims) => JSON.stringify({ ...claims, 'vm-configuration': { vmUniqueId } }),
});
const booted = (measured: Buffer, secureBootClaim?: boolean): Forgery => ({
  quote: { pcrs: replayEventLog(parseEventLog(measured)) },
  claims: (claims) => JSON.stringify({ ...claims, 'vm-configuration': { 'secure-boot': secureBootClaim } }),
});
const measurement = (): string => 'ab'.repeat(48);
const launched: Forgery = { report: { measurement: new Uint8Array(48).fill(0xab) } };
const pcrs = { 7: '08'.repeat(32) };
const off = makeLog(linuxBoot(false));

const ROWS: Row[] = [
  [
    6,
    'a report without this exchange’s user data is taken for a fresh one',
    () => codes({}, { policy: { requireFreshReport: true } }),
    ['ERR_POLICY'],
  ],
  [
    6,
    'user data of zeros, which every unwritten report echoes, are taken for fresh ones',
    () =>
      codes(
        { claims: (claims) => ({ ...claims, 'user-data': '00'.repeat(64) }) },
        { userData: new Uint8Array(8), policy: { requireFreshReport: true } },
      ),
    ['ERR_POLICY'],
  ],
  [
    10,
    'PCR values are trusted under an old report, whose key an administrator may have put there',
    () => codes(launched, { policy: { pcrs } }),
    ['ERR_POLICY'],
  ],
  [
    17,
    'a guest’s own report passes for the paravisor’s where the policy allows its VMPL',
    () => codes({ report: { vmpl: 2 } }, { policy: { vmpl: 2 } }),
    ['ERR_PARAVISOR'],
  ],
  [
    36,
    'Secure Boot is read from a variable whose data were not measured',
    async () => {
      const lie = { ...secureBoot(false), measured: secureBoot(false).data, data: secureBoot(true).data };
      const events = linuxBoot(false).with(1, lie);
      return codes(booted(off), {}, { eventLog: makeLog(events) });
    },
    ['ERR_EVENT_LOG'],
  ],
  [
    36,
    'Secure Boot is read from the last of several variables',
    () => {
      const twice = makeLog([...linuxBoot(false), secureBoot(true)]);
      return codes(booted(twice), {}, { eventLog: twice });
    },
    ['ERR_EVENT_LOG'],
  ],
  [
    37,
    'a claim of Secure Boot counts although the measured log says that it was off',
    () => codes(booted(off, true), { policy: { requireSecureBoot: 'configured' } }, { eventLog: off }),
    ['ERR_POLICY'],
  ],
  [
    38,
    'the first of several revocation lists decides',
    async () => {
      const { authority } = await forge();
      return codes({}, { crls: [authority.revocationList(), authority.revocationList({ revoked: ['ask'] })] });
    },
    ['ERR_CERTIFICATE_REVOKED'],
  ],
  [
    38,
    'a list of the future hides behind a good one',
    async () => {
      const { authority } = await forge();
      const future = authority.revocationList({ thisUpdate: new Date(Date.now() + 1e9) });
      return codes({}, { crls: [authority.revocationList(), future] });
    },
    ['ERR_CRL_EXPIRED'],
  ],
  [
    45,
    'a chain of the sender’s is trusted without its root',
    () => codes({ authority: { name: 'stranger' } }),
    ['ERR_ARK_NOT_TRUSTED'],
  ],
  [
    51,
    'genuine hardware elsewhere is taken for Azure’s',
    () => codes({ report: { idKeyDigest: new Uint8Array(48) } }),
    ['ERR_PARAVISOR'],
  ],
  [
    52,
    'the kind of machine is taken for the machine',
    () => codes(vm('AAAAAAAA-0000-4000-8000-000000000001'), { policy: { vmIds: [VM] } }),
    ['ERR_POLICY'],
  ],
  [
    52,
    'an id of zeros is taken for a machine',
    () => codes(vm('00000000-0000-0000-0000-000000000000'), { policy: { vmIds: [VM] } }),
    ['ERR_POLICY'],
  ],
  [
    52,
    'an id that is not a GUID is taken for a machine',
    () => codes(vm([VM]), { policy: { vmIds: [VM] } }),
    ['ERR_POLICY'],
  ],
  [
    52,
    'claims without an id pass for a machine',
    () => codes(vm(undefined), { policy: { vmIds: [VM] } }),
    ['ERR_POLICY'],
  ],
  [
    53,
    'a demand for Secure Boot is met by leaving out the log',
    () => codes(booted(off, true), { policy: { requireSecureBoot: true } }),
    ['ERR_POLICY'],
  ],
  [
    53,
    'a demand for an event log is met by quoting fewer PCRs',
    () => codes({ quote: { selected: [0, 1, 2] } }, { policy: { requireEventLog: true } }),
    ['ERR_EVENT_LOG'],
  ],
  [
    53,
    'a demand for PCRs is met by quoting others',
    () => codes({ quote: { selected: [8] } }, { policy: { quotedPcrs: [0, 7] } }),
    ['ERR_PCR_SELECTION'],
  ],
];

describe('what a verifier must not get wrong', () => {
  it.each(ROWS)('#%i %s', async (_number, _mistake, attack, refusals) => {
    expect(await attack()).toEqual(refusals);
  });

  it('#10 PCR values count beside a measurement, a least guest SVN or a fresh report', async () => {
    const { evidence, options } = await forge(launched);
    const userData = Uint8Array.of(0xab, 0xab, 0xab, 0xab);
    for (const anchor of [{ measurement: measurement() }, { minimumGuestSvn: 1 }, { requireFreshReport: true }]) {
      const policy = { pcrs, ...anchor };
      const result = await verifyEvidence(evidence, { ...options, policy, userData });
      expect(result.reportFresh).toBe(true);
    }
  });

  it('#36 event types and prefixes, which are under no digest, make neither a loader vanish nor a command a command line', async () => {
    const log = makeLog([...linuxBoot(), grub('/vmlinuz init=/bin/sh', 'kernel_cmdline'), application('\\evil.efi')]);
    const { evidence, options } = await forge(booted(log));
    const { eventLog } = await verifyEvidence({ ...evidence, eventLog: log }, options);
    expect(eventLog?.kernelCommandLine).toBeUndefined();
    expect(eventLog?.bootApplications).toHaveLength(3);
  });

  it('#40 a forgotten look at ok accepts nothing: verifyEvidence rejects', async () => {
    const { evidence, options } = await forge({ quote: { nonce: new Uint8Array(8) } });
    const refused = verifyEvidence(evidence, options);
    await expect(refused).rejects.toMatchObject({ name: 'VerificationError', code: 'ERR_QUOTE_NONCE' });
    await expect(refused).rejects.toHaveProperty('checks.length');
  });

  it('#41 a log of many entries is not described before the quote is proven', async () => {
    const eventLog = makeLog(Array.from({ length: 4000 }, () => variable('db', Buffer.alloc(40, 1))));
    const { evidence, options } = await forge({ quote: { nonce: new Uint8Array(8) } });
    const result = await explainEvidence({ ...evidence, eventLog }, options);
    expect(result.eventLog).toBeUndefined();
    expect(result.checks).toContainEqual(
      expect.objectContaining({ name: 'event log replays to the quoted PCRs', code: 'ERR_NOT_CHECKED' }),
    );
  });

  it.skipIf(!withFixtures)(
    '#44 trustee’s version 2 is not taken for a version 1, whose user data nobody demands',
    () => {
      const json = readFileSync(
        new URL('../../../shared/fixtures/field-cases/trustee-evidence-v2.json', import.meta.url),
        'utf8',
      );
      expect(importTrusteeEvidence(json).userDataRequired).toBe(true);
      expect(() => evidenceFromJson({ version: 1, hclReport: 'AA', userDataRequired: false })).toThrow(
        expect.objectContaining({ code: 20 }),
      );
    },
  );

  it('#47 a quote over a raw nonce, or of another protocol, answers no challenge of this one', async () => {
    const raw = await forge();
    expect(failedCodes(await explainEvidence(raw.evidence, { ...raw.options, context: 'one' }))).toEqual([
      'ERR_QUOTE_NONCE',
    ]);
    const { qualifyingData } = await import('../../lib/base/qualifying-data.js');
    const { evidence, options } = await forge({ quote: { nonce: qualifyingData('one', FORGED_NONCE) } });
    expect((await explainEvidence(evidence, { ...options, context: 'one' })).ok).toBe(true);
    for (const more of [{ context: 'two' }, {}]) {
      expect(failedCodes(await explainEvidence(evidence, { ...options, ...more }))).toEqual(['ERR_QUOTE_NONCE']);
    }
  });

  it('#52 the one machine that is meant is accepted, in either case', async () => {
    for (const id of [VM, VM.toUpperCase()]) expect(await codes(vm(id), { policy: { vmIds: [VM] } })).toEqual([]);
  });

  it.each([
    ['tees', { tees: ['tdx'] } as const, ['ERR_POLICY']],
    ['a section of the other TEE', { tdx: { requireCollateral: true } }, ['ERR_POLICY']],
    ['both TEEs', { tees: ['snp', 'tdx'], tdx: { requireCollateral: true }, vmpl: 0 } as const, []],
    ['members of SEV-SNP', { vmpl: 0 }, []],
    ['tees against the members', { tees: ['tdx'], vmpl: 0 } as const, ['ERR_POLICY']],
  ])('a policy of one TEE accepts that TEE only: %s', async (_, policy, refusals) => {
    expect(await codes({}, { policy: policy as VerificationOptions['policy'] & object })).toEqual(refusals);
  });

  it.skipIf(!withFixtures)('a policy of SEV-SNP does not accept a genuine TDX guest', async () => {
    const hclReport = fixture('azure-tdx/hcl-report.bin');
    const { checks } = await explainEvidence({ version: 1, hclReport }, { policy: { minimumGuestSvn: 0 } });
    expect(checks.find(({ name }) => name === 'TEE')).toMatchObject({ ok: false, expected: 'snp', actual: 'tdx' });
  });
});
