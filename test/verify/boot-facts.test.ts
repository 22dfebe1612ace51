import { describe, expect, it } from 'vitest';
import {
  explainEvidence,
  parseEventLog,
  replayEventLog,
  type VerificationPolicy,
  type VerificationResult,
} from '../../lib/index.js';
import { fixture, withFixtures } from '../fixtures.js';
import { type Forgery, forge } from './forge.js';
import { failedCodes } from './genuine.js';
import {
  action,
  application,
  EV,
  grub,
  KERNEL,
  linuxBoot,
  type MadeEvent,
  makeLog,
  secureBoot,
  securityPolicy,
  separator,
  variable,
  variableData,
} from './log.js';

/**
 * Evidence whose PCRs are what `measured` leads to, with `shown` as its log: a root user who can extend PCRs after the boot
 * and change every byte that is under no digest.
 */
async function verify(
  measured: Uint8Array,
  shown: Uint8Array = measured,
  { claimed = false, policy = {} }: { claimed?: boolean; policy?: VerificationPolicy } = {},
): Promise<VerificationResult> {
  const pcrs = replayEventLog(parseEventLog(measured));
  const { evidence, options } = await forge({
    quote: { pcrs },
    claims: (claims) => ({ ...claims, 'vm-configuration': { 'secure-boot': claimed } }),
  });
  return explainEvidence({ ...evidence, eventLog: shown }, { ...options, policy });
}

const replaced = (events: MadeEvent[], at: number, event: Partial<MadeEvent>): MadeEvent[] => {
  const before = events[at] as MadeEvent;
  return events.with(at, { ...before, measured: before.measured ?? before.data, ...event });
};
const indexOf = (events: MadeEvent[], text: string): number =>
  events.findIndex(({ data }) => Buffer.from(data).includes(text));

describe('a boot as firmware and GRUB measure it', () => {
  it('is told: Secure Boot, boot applications, the kernel’s command line', async () => {
    for (const on of [false, true]) {
      const result = await verify(makeLog(linuxBoot(on)), undefined, { claimed: on });
      expect(failedCodes(result)).toEqual([]);
      expect(result.eventLog).toMatchObject({ secureBoot: on, kernelCommandLine: KERNEL, absent: {} });
      expect(result.eventLog?.bootApplications?.map(({ path }) => path)).toEqual([
        '\\EFI\\shimx64.efi',
        '\\EFI\\grubx64.efi',
      ]);
    }
  });

  it('may begin with the actions that the PC Client profile puts before Secure Boot', async () => {
    const debug = [action(7, 'UEFI Debug Mode'), action(7, 'DMA Protection Disabled'), ...linuxBoot()];
    expect((await verify(makeLog(debug))).eventLog?.secureBoot).toBe(false);
  });

  it.skipIf(!withFixtures)('is told of a genuine log', async () => {
    const result = await verify(fixture('eventlogs/ubuntu-2404-amd-sevsnp.bin'));
    expect(failedCodes(result)).toEqual([]);
    expect(result.eventLog).toMatchObject({ secureBoot: false, absent: {} });
    expect(result.eventLog?.bootApplications).toHaveLength(2);
    expect(result.eventLog?.kernelCommandLine).toMatch(/^\/vmlinuz-6\.8\.0-1010-gcp root=PARTUUID=/);
  });
});

describe('Secure Boot that was off cannot be shown as on', () => {
  const off = linuxBoot(false);
  const at = off.findIndex(({ pcr }) => pcr === 7);
  const lie = variableData('SecureBoot', Buffer.of(1));

  it.each<[string, MadeEvent[], MadeEvent[]?]>([
    ['its data replaced', off, replaced(off, at, { data: lie })],
    [
      'its data replaced, and a second one extended after the boot',
      [...off, secureBoot(true)],
      [...replaced(off, at, { data: lie }), secureBoot(true)],
    ],
    ['a second one extended after the boot', [...off, secureBoot(true)]],
    [
      'a second one whose data say something else',
      [...off, secureBoot(true)],
      [...off, { ...secureBoot(true), measured: lie, data: Buffer.from('a note') }],
    ],
    [
      'the genuine one relabelled as an action',
      [...off, secureBoot(true)],
      [...replaced(off, at, { type: EV.action, data: Buffer.from('UEFI Debug Mode') }), secureBoot(true)],
    ],
    ['the genuine one relabelled by type alone', off.slice(0, at).concat(secureBoot(true), off.slice(at))],
    ['another variable in front of it', [variable('PK', Buffer.from('x')), ...off]],
    ['an unknown action in front of it', [action(7, 'Calling EFI Application'), ...off]],
    ['a variable of that name of another vendor', [variable('SecureBoot', Buffer.of(1), Buffer.alloc(16, 1)), ...off]],
    ['another value than 0 or 1', linuxBoot().with(at, variable('SecureBoot', Buffer.of(2)))],
    ['a value of two bytes', linuxBoot().with(at, variable('SecureBoot', Buffer.of(1, 0)))],
  ])('%s', async (_, measured, shown = measured) => {
    const result = await verify(makeLog(measured), makeLog(shown));
    expect(failedCodes(result)).toContain('ERR_EVENT_LOG');
    expect(result.eventLog?.secureBoot).toBeUndefined();
    expect(result.eventLog?.absent.secureBoot).toMatch(/^PCR 7: /);
  });
});

describe('PCR 7 is read as firmware measures it, and else the log is bad:', () => {
  const boot = (pcr7: MadeEvent[]): MadeEvent[] => [...linuxBoot().filter(({ pcr }) => pcr !== 7), ...pcr7];
  const policy = securityPolicy(false);
  it.each<[string, MadeEvent[]]>([
    ['no separator', policy.slice(0, -1)],
    ['a second separator', [...policy, separator(7)]],
    ['a second separator of ones', [...policy, separator(7, 0xff)]],
    ['no SecureBoot', policy.slice(1)],
    ['no event at all', []],
    ['the separator first', [separator(7), ...policy.slice(0, -1)]],
    ['an event before the separator that is not a variable', policy.toSpliced(2, 0, action(7, 'note'))],
    [
      'a variable before the separator whose data are not what was measured',
      policy.with(2, { ...variable('KEK', Buffer.from('shown')), measured: Buffer.from('measured') }),
    ],
  ])('%s', async (_, events) => {
    const result = await verify(makeLog(boot(events)));
    expect(failedCodes(result)).toEqual(['ERR_EVENT_LOG']);
    expect(result.eventLog?.secureBoot).toBeUndefined();
  });

  it('the separator is one by its digest, whatever it is called, and what follows it is free', async () => {
    const disguised = policy.with(-1, { ...separator(7), type: EV.variable });
    const events = boot([
      ...disguised,
      { pcr: 7, type: EV.authority, data: Buffer.from('x'), measured: Buffer.from('y') },
    ]);
    expect((await verify(makeLog(events))).eventLog?.secureBoot).toBe(false);
  });
});

describe('what was started', () => {
  const genuine = linuxBoot();
  const at = indexOf(genuine, Buffer.from('grubx64', 'utf16le').toString('latin1'));
  const grubAt = at < 0 ? genuine.findLastIndex(({ pcr }) => pcr === 4) : at;

  it('is listed by its digest when it is relabelled as an action', async () => {
    const shown = replaced(genuine, grubAt, {
      type: EV.action,
      data: Buffer.from('Returning from EFI Application from Boot Option'),
    });
    const { eventLog } = await verify(makeLog(genuine), makeLog(shown));
    const digests = async (log: Buffer) =>
      (await verify(makeLog(genuine), log)).eventLog?.bootApplications?.map(({ sha256 }) => sha256);
    expect(await digests(makeLog(shown))).toEqual(await digests(makeLog(genuine)));
    expect(eventLog?.bootApplications?.[1]?.path).toBe('unknown');
  });

  it('is listed with everything that was extended later, so that nothing takes its place', async () => {
    const { eventLog } = await verify(makeLog([...genuine, application('\\EFI\\good.efi')]));
    expect(eventLog?.bootApplications?.map(({ path }) => path)).toEqual([
      '\\EFI\\shimx64.efi',
      '\\EFI\\grubx64.efi',
      '\\EFI\\good.efi',
    ]);
  });
});

describe('the kernel’s command line is told only when there is one', () => {
  const genuine = linuxBoot();
  const lineAt = indexOf(genuine, 'kernel_cmdline');
  const forged = '/vmlinuz init=/bin/good';

  it.each<[string, MadeEvent[], MadeEvent[]?]>([
    ['a second line was extended after the boot', [...genuine, grub(forged, 'kernel_cmdline')]],
    [
      'a second command and line were extended after the boot',
      [...genuine, grub(`linux ${forged}`), grub(forged, 'kernel_cmdline')],
    ],
    [
      'a command of GRUB is relabelled as the line, and the line as a command',
      [grub(forged), ...genuine],
      [grub(forged, 'kernel_cmdline'), ...genuine.with(lineAt, grub(KERNEL))],
    ],
    [
      'the genuine command and line show other data',
      [...genuine, grub(`linux ${forged}`), grub(forged, 'kernel_cmdline')],
      [
        ...replaced(replaced(genuine, lineAt, { data: Buffer.from('a') }), lineAt - 1, { data: Buffer.from('b') }),
        grub(`linux ${forged}`),
        grub(forged, 'kernel_cmdline'),
      ],
    ],
    ['no command loaded it', genuine.toSpliced(lineAt - 1, 1)],
  ])('%s', async (_, measured, shown = measured) => {
    const result = await verify(makeLog(measured), makeLog(shown));
    expect(failedCodes(result)).toEqual([]);
    expect(result.eventLog?.kernelCommandLine).toBeUndefined();
    expect(result.eventLog?.absent.kernelCommandLine).toMatch(/^PCR 8: /);
  });
});

describe('requireSecureBoot', () => {
  const log = (on: boolean): Buffer => makeLog(linuxBoot(on));

  it('true is met by the claim and the measured variable together', async () => {
    const policy = { requireSecureBoot: true };
    expect(failedCodes(await verify(log(true), undefined, { claimed: true, policy }))).toEqual([]);
    expect(failedCodes(await verify(log(false), undefined, { claimed: false, policy }))).toEqual([
      'ERR_POLICY',
      'ERR_POLICY',
    ]);
  });

  it('is never met by sending less', async () => {
    const pcrs = replayEventLog(parseEventLog(log(true)));
    const less: [Forgery, Buffer?][] = [
      [{ quote: { pcrs } }],
      [{ quote: { pcrs, selected: [0, 1, 2, 3] } }, log(true)],
      [{ quote: { pcrs, selected: [0, 1, 2, 3] } }],
      [{ quote: false }, log(true)],
      [{ quote: false }],
    ];
    for (const [forgery, eventLog] of less) {
      const { evidence, options } = await forge(forgery);
      const { nonce: _, ...rest } = options;
      const shown = { ...evidence, ...(eventLog && { eventLog }) };
      const result = await explainEvidence(shown, { ...rest, policy: { requireSecureBoot: true } });
      expect(failedCodes(result)).toEqual(['ERR_POLICY']);
    }
  });

  it("'configured' is met by the claim alone", async () => {
    const { evidence, options } = await forge();
    const policy = { requireSecureBoot: 'configured' } as const;
    expect(failedCodes(await explainEvidence(evidence, { ...options, policy }))).toEqual([]);
  });

  it('a claim and a measured variable that contradict each other fail, whatever is demanded', async () => {
    for (const claimed of [true, false]) {
      for (const requireSecureBoot of [undefined, 'configured', true] as const) {
        const policy = requireSecureBoot === undefined ? {} : { requireSecureBoot };
        const result = await verify(log(!claimed), undefined, { claimed, policy });
        expect(result.ok).toBe(false);
        expect(result.checks).toContainEqual(
          expect.objectContaining({ name: 'claim and measurement of secure boot agree', code: 'ERR_POLICY' }),
        );
      }
    }
  });
});

describe('an event log that is not compared', () => {
  it('is said in the checks, with the PCRs that were not quoted', async () => {
    const log = makeLog(linuxBoot());
    const pcrs = replayEventLog(parseEventLog(log));
    const actual = async (selected: number[]): Promise<string | undefined> => {
      const { evidence, options } = await forge({ quote: { pcrs, selected } });
      const result = await explainEvidence({ ...evidence, eventLog: log }, options);
      return result.checks.find(({ subject, skipped }) => subject === 'event-log' && skipped)?.actual;
    };
    expect(await actual([8, 9])).toBe('not compared: not quoted are PCRs 0, 1, 2, 3, 4, 5, 6, 7');
    expect(await actual([0, 1, 2, 3, 4, 5])).toBe('not compared: not quoted are PCRs 6, 7');
  });

  it('fails where the policy demands a log and PCRs 0 to 7', async () => {
    const log = makeLog(linuxBoot());
    const pcrs = replayEventLog(parseEventLog(log));
    const policy = { requireEventLog: true };
    const codes = async (selected: number[], eventLog?: Uint8Array): Promise<string[]> => {
      const { evidence, options } = await forge({
        quote: { pcrs, selected },
        claims: (claims) => ({ ...claims, 'vm-configuration': {} }),
      });
      return failedCodes(await explainEvidence({ ...evidence, ...(eventLog && { eventLog }) }, { ...options, policy }));
    };
    expect(await codes([0, 1, 2, 3, 4, 5, 6, 7], log)).toEqual([]);
    expect(await codes([0, 1, 2, 3, 4, 5, 6], log)).toEqual(['ERR_EVENT_LOG']);
    expect(await codes([0, 1, 2, 3, 4, 5, 6, 7])).toEqual(['ERR_EVENT_LOG']);
  });
});
