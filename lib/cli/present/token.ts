import type { AttestationClaims, GuestAttestationClaims, SevSnpClaims } from '../../token/claims.js';
import { type Field, field, type Section } from '../output/table.js';

/** The claims that matter, for people. Nothing is assumed about a token that was not verified. */
export function tokenSections(claims: AttestationClaims): Section[] {
  const guest = object(claims['x-ms-isolation-tee']);
  const hardware = (guest ?? claims) as Partial<SevSnpClaims>;
  const sections: Section[] = [
    { title: 'Token', fields: tokenFields(claims) },
    { title: 'Hardware', fields: hardwareFields(hardware) },
    { title: 'Boot', fields: bootFields(claims as Partial<GuestAttestationClaims>, object(hardware['x-ms-runtime'])) },
    { title: 'Runtime', fields: runtimeFields(object(claims['x-ms-runtime'])) },
  ];
  return sections.filter(({ fields }) => fields.length > 0);
}

function tokenFields(claims: AttestationClaims): Field[] {
  return [
    ...field('issuer', text(claims.iss)),
    ...field('type', text(claims['x-ms-attestation-type'])),
    ...field('issued', time(claims.iat)),
    ...field('not before', time(claims.nbf)),
    ...field('expires', time(claims.exp)),
    ...field('id', text(claims.jti)),
    ...field('policy hash', text(claims['x-ms-policy-hash'])),
    ...field('nonce', text(claims.nonce)),
  ];
}

function hardwareFields(claims: Partial<SevSnpClaims>): Field[] {
  const svn = (['bootloader', 'tee', 'snpfw', 'microcode'] as const)
    .filter((name) => typeof claims[`x-ms-sevsnpvm-${name}-svn`] === 'number')
    .map((name) => `${name} ${claims[`x-ms-sevsnpvm-${name}-svn`]}`);
  const debug = claims['x-ms-sevsnpvm-is-debuggable'];
  const migration = claims['x-ms-sevsnpvm-migration-allowed'];
  return [
    ...field('compliance', text(claims['x-ms-compliance-status'])),
    ...field('debuggable', debug, { alert: debug === true }),
    ...field('migration allowed', migration, { alert: migration === true }),
    ...field('security versions', svn.join(', ')),
    ...field('guest SVN', claims['x-ms-sevsnpvm-guestsvn']),
    ...field('VMPL', claims['x-ms-sevsnpvm-vmpl']),
    ...field('launch measurement', text(claims['x-ms-sevsnpvm-launchmeasurement'])),
    ...field('ID key digest', text(claims['x-ms-sevsnpvm-idkeydigest'])),
    ...field('host data', text(claims['x-ms-sevsnpvm-hostdata'])),
    ...field('report data', text(claims['x-ms-sevsnpvm-reportdata'])),
  ];
}

function bootFields(claims: Partial<GuestAttestationClaims>, runtime: Record<string, unknown> | undefined): Field[] {
  const vm = object(runtime?.['vm-configuration']);
  const secureBoot = claims.secureboot ?? vm?.['secure-boot'];
  return [
    ...field('secure boot', secureBoot, { alert: secureBoot === false }),
    ...field('operating system', operatingSystem(claims)),
    ...field('attested PCRs', list(claims['x-ms-azurevm-attested-pcrs'])),
    ...field('boot debugging', claims['x-ms-azurevm-bootdebug-enabled'], {
      alert: claims['x-ms-azurevm-bootdebug-enabled'] === true,
    }),
    ...field('VM id', text(claims['x-ms-azurevm-vmid'] ?? vm?.vmUniqueId)),
  ];
}

/**
 * Name and version. The protocol carries a version as two numbers, which takes the zero out of Ubuntu's `24.04`: its minor
 * version is a month.
 */
function operatingSystem(claims: Partial<GuestAttestationClaims>): string {
  const name = text(claims['x-ms-azurevm-osdistro']);
  const digits = (part: unknown, least: number): string[] =>
    typeof part === 'number' ? [String(part).padStart(least, '0')] : [];
  const version = [
    ...digits(claims['x-ms-azurevm-osversion-major'], 1),
    ...digits(claims['x-ms-azurevm-osversion-minor'], name === 'Ubuntu' ? 2 : 1),
  ].join('.');
  return [name, version].filter(Boolean).join(' ');
}

function runtimeFields(runtime: Record<string, unknown> | undefined): Field[] {
  const keys = Array.isArray(runtime?.keys) ? runtime.keys : [];
  const payload = object(runtime?.['client-payload']) ?? {};
  return [
    ...field('keys', keys.map((key: unknown) => text(object(key)?.kid) ?? 'without kid').join(', ')),
    ...Object.entries(payload).flatMap(([name, value]) => field(`payload ${name}`, payloadText(value))),
  ];
}

/** Payload values come back in base64 of the text that the guest gave. */
function payloadText(value: unknown): string | undefined {
  return typeof value === 'string' ? Buffer.from(value, 'base64').toString('utf8') : text(value);
}

function time(value: unknown): string | undefined {
  if (typeof value !== 'number' || !Number.isFinite(value) || Math.abs(value) > 8.64e12) return text(value);
  return `${new Date(value * 1000).toISOString().slice(0, 19)}Z`;
}

function text(value: unknown): string | undefined {
  if (value === undefined || value === null) return undefined;
  return typeof value === 'string' ? value : JSON.stringify(value);
}

function list(value: unknown): string | undefined {
  return Array.isArray(value) ? value.map(text).join(', ') : text(value);
}

function object(value: unknown): Record<string, unknown> | undefined {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
    ? (value as Record<string, unknown>)
    : undefined;
}
