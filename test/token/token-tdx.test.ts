import { describe, expect, it } from 'vitest';
import { type VerifyTokenOptions, verifyToken } from '../../lib/index.js';
import {
  type Claims,
  guestClaims,
  ISSUER,
  jwkOf,
  MEASUREMENT,
  NOW,
  platformClaims,
  rsaKeys,
  signToken,
  tdxGuestClaims,
  tdxPlatformClaims,
} from './issuer.js';
import { refusal } from './refusal.js';

const keys = rsaKeys();
const options = { issuer: ISSUER, keys: { keys: [jwkOf(keys)] }, now: NOW };
const types = { attestationType: ['azurevm', 'tdxvm'] } as const;
type Policy = Partial<VerifyTokenOptions>;

const verify = (claims: Claims, policy: Policy = {}) =>
  verifyToken(signToken(claims, keys.privateKey), { ...options, ...types, ...policy });
const accepted = (claims: Claims, policy?: Policy) => expect(verify(claims, policy)).resolves.toBeDefined();
const refused = (claims: Claims, code: string, policy?: Policy) => refusal(verify(claims, policy), code);
const bothShapes = (tee: Claims): Claims[] => [tdxGuestClaims({}, tee), tdxPlatformClaims(tee)];

describe('verifyToken of a TDX machine', () => {
  it('returns claims whose type follows attestationType and tee', async () => {
    const guest = await verifyToken(signToken(tdxGuestClaims(), keys.privateKey), { ...options, tee: 'tdx' });
    const mrtd: string | undefined = guest['x-ms-isolation-tee'].tdx_mrtd;
    const platform = await verifyToken(signToken(tdxPlatformClaims(), keys.privateKey), {
      ...options,
      attestationType: 'tdxvm',
    });
    expect([mrtd, platform.tdx_mrtd]).toEqual(['c7'.repeat(48), 'c7'.repeat(48)]);
  });

  it('takes SEV-SNP and TDX unless tee or a member of one of them says which', async () => {
    await accepted(guestClaims());
    await accepted(tdxGuestClaims());
    await refused(guestClaims(), 'ERR_TOKEN_ISOLATION', { tee: 'tdx' });
    await refused(tdxGuestClaims(), 'ERR_TOKEN_ISOLATION', { tee: 'snp' });
    await refused(tdxGuestClaims(), 'ERR_TOKEN_ISOLATION', { launchMeasurement: MEASUREMENT });
    await refused(tdxGuestClaims(), 'ERR_TOKEN_ISOLATION', { minimumSvn: {} });
    await refused(guestClaims(), 'ERR_TOKEN_ISOLATION', { tdx: {} });
    await refused(platformClaims(), 'ERR_TOKEN_ATTESTATION_TYPE');
  });

  it('is not taken in by the outer type: a Trusted Launch VM has that, too', async () => {
    for (const tee of [undefined, {}, { 'x-ms-attestation-type': 'azurevm' }]) {
      await refused(guestClaims({ 'x-ms-isolation-tee': tee }), 'ERR_TOKEN_ISOLATION');
    }
  });

  it.each([
    ['tdx_td_attributes_debug', true],
    ['tdx_td_attributes_debug', undefined],
    ['tdx_td_attributes_debug', 'false'],
    ['tdx_td_attributes', '0100001000000000'],
    ['tdx_td_attributes', '8000001000000000'],
    ['tdx_td_attributes', undefined],
    ['tdx_td_attributes', '00'],
    ['dbgstat', 'enabled'],
    ['dbgstat', undefined],
  ])('refuses debugging when %s alone is %j', async (claim, value) => {
    for (const claims of bothShapes({ [claim]: value })) {
      await refused(claims, 'ERR_TOKEN_DEBUG');
      await accepted(claims, { allowDebug: true, allowMigration: true });
    }
  });

  it('refuses a TD that may be migrated', async () => {
    for (const claims of bothShapes({ tdx_td_attributes: '0000003000000000' })) {
      await refused(claims, 'ERR_TOKEN_MIGRATION');
      await accepted(claims, { allowMigration: true });
    }
  });

  it('accepts only a TCB status that the policy lists', async () => {
    for (const status of ['OutOfDate', 'Revoked', undefined, 'uptodate', ['UpToDate']]) {
      for (const claims of bothShapes({ attester_tcb_status: status })) await refused(claims, 'ERR_TOKEN_TCB_STATUS');
    }
    for (const claims of bothShapes({ attester_tcb_status: 'SWHardeningNeeded' })) await accepted(claims);
    for (const claims of bothShapes({ attester_tcb_status: 'OutOfDate' })) {
      await accepted(claims, { tdx: { acceptedTcbStatuses: ['OutOfDate'] } });
    }
  });

  it('compares MRTD, MRCONFIGID, TEE TCB SVN and XFAM', async () => {
    const good = tdxGuestClaims();
    await accepted(good, { tdx: { mrtd: ['00'.repeat(48), 'C7'.repeat(48)] } });
    await refused(good, 'ERR_TOKEN_MRTD', { tdx: { mrtd: '00'.repeat(48) } });
    await refused(tdxGuestClaims({}, { tdx_mrtd: undefined }), 'ERR_TOKEN_MRTD', { tdx: { mrtd: 'c7'.repeat(48) } });
    await accepted(good, { tdx: { mrconfigid: new Uint8Array(48) } });
    await refused(good, 'ERR_TOKEN_MRCONFIGID', { tdx: { mrconfigid: '01'.repeat(48) } });
    const least = (minor: number, major: number, other = 5) => ({
      tdx: { minimumTeeTcbSvn: [minor, major, ...new Array<number>(14).fill(other)] },
    });
    await accepted(good, least(13, 1));
    await accepted(good, least(255, 0));
    await refused(good, 'ERR_TOKEN_SVN', least(14, 1));
    await refused(good, 'ERR_TOKEN_SVN', least(0, 2));
    await refused(good, 'ERR_TOKEN_SVN', least(13, 1, 6));
    await accepted(good, { tdx: { xfam: { value: 'e718060000000000' } } });
    await accepted(good, { tdx: { xfam: { value: 'e7ffffffffffffff', mask: 'ff00000000000000' } } });
    await refused(good, 'ERR_TOKEN_XFAM', { tdx: { xfam: { value: 'e618060000000000' } } });
  });

  it.each([
    [{ tdx: {}, launchMeasurement: MEASUREMENT }],
    [{ tee: 'snp', tdx: {} }],
    [{ tee: ['snp', 'tdx'], minimumSvn: { tee: 1 } }],
    [{ tdx: { xfam: {} } }],
    [{ tdx: { xfam: { value: 'e7' } } }],
    [{ tdx: { minimumTeeTcbSvn: [1, 2] } }],
    [{ tdx: { mrtd: 'abcd' } }],
    [{ tdx: { acceptedTcbStatuses: [] } }],
    [{ tee: 'sgx' }],
  ])('refuses the options %j', async (policy) => {
    await expect(verify(tdxGuestClaims(), policy as never)).rejects.toMatchObject({
      name: 'AttestationError',
      code: 8,
    });
  });
});

describe('verifyToken of a Windows guest', () => {
  const windows: Claims = {
    'x-ms-azurevm-is-windows': true,
    'x-ms-azurevm-testsigning-enabled': false,
    'x-ms-azurevm-flightsigning-enabled': false,
    'x-ms-azurevm-debuggersdisabled': true,
    'x-ms-azurevm-signingdisabled': false,
    'x-ms-azurevm-hvci-policy': 1,
  };
  const all = { requireTestSigningOff: true, requireDebuggersOff: true, requireCodeIntegrity: true, requireHvci: true };

  it('can demand test signing and debuggers off and code integrity on', async () => {
    await accepted(guestClaims(windows), { windows: all });
    await refused(guestClaims({ ...windows, 'x-ms-azurevm-is-windows': false }), 'ERR_TOKEN_WINDOWS', { windows: {} });
    for (const [claim, bad] of [
      ['testsigning-enabled', true],
      ['flightsigning-enabled', true],
      ['debuggersdisabled', false],
      ['signingdisabled', true],
      ['hvci-policy', 0],
    ] as const) {
      for (const value of [bad, undefined, 'x']) {
        const claims = guestClaims({ ...windows, [`x-ms-azurevm-${claim}`]: value });
        await accepted(claims);
        await refused(claims, 'ERR_TOKEN_WINDOWS', { windows: all });
      }
    }
    for (const claim of ['bootdebug', 'kerneldebug', 'hypervisordebug']) {
      const claims = guestClaims({ ...windows, [`x-ms-azurevm-${claim}-enabled`]: undefined });
      await refused(claims, 'ERR_TOKEN_WINDOWS', { windows: all });
    }
  });

  it('is never met by a platform token, which says nothing of the boot', async () => {
    const policy = { windows: {}, attestationType: 'tdxvm' } as const;
    await refused(tdxPlatformClaims(windows), 'ERR_TOKEN_WINDOWS', policy);
  });
});
