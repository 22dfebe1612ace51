import { readdirSync } from 'node:fs';
import { importTdxCollateral, type TdxCollateral } from '../../lib/index.js';
import { fixture, withFixtures } from '../fixtures.js';

const folder = new URL('../../../shared/fixtures/tdx/', import.meta.url);

/** A genuine quote with the verdict that two other verifiers gave. */
export interface GenuineCase {
  name: string;
  now: string;
  collateral: string;
  quoteVersion: number;
  bodyType?: number;
  expect: {
    failedChecks: string[];
    tcbStatus: string;
    platform: string | null;
    tdxModule: string | null;
    qe: string | null;
    advisoryIDs: string[];
    tcbDate: string | null;
    current?: { tcbStatus: string };
  };
  fields: Record<string, string>;
  pck: { fmspc: string; pceid: string; pcesvn: number; comp: number[]; ppid: string };
}

/** A quote that was made, with the code of the check that must fail. */
export interface SyntheticCase {
  name: string;
  why: string;
  quote: string;
  collateral: Record<string, string>;
  now: string;
  root: string;
  expect: GenuineCase['expect'] & { code: string };
}

function named<Case>(path: (name: string) => string, names: string[]): Case[] {
  return names.map((name) => JSON.parse(fixture(path(name)).toString('utf8')) as Case);
}

export const genuineCases: GenuineCase[] = withFixtures
  ? named(
      (name) => `tdx/${name}/case.json`,
      readdirSync(folder).filter((name) => readdirSafe(name).includes('case.json')),
    )
  : [];

export const syntheticCases: SyntheticCase[] = withFixtures
  ? named(
      (name) => `tdx/synthetic/${name}`,
      readdirSync(new URL('synthetic/', folder)).filter((name) => name.endsWith('.json')),
    )
  : [];

function readdirSafe(name: string): string[] {
  try {
    return readdirSync(new URL(`${name}/`, folder));
  } catch {
    return [];
  }
}

export const genuineQuote = (name: string): Uint8Array => new Uint8Array(fixture(`tdx/${name}/td-quote.bin`));

export const genuineCollateral = (path: string): TdxCollateral =>
  importTdxCollateral(fixture(`tdx/${path.replace('../', '')}`).toString('utf8'));

export function genuine(name: string): GenuineCase {
  const found = genuineCases.find((each) => each.name === name);
  if (found === undefined) throw new Error(`there is no case ${name}`);
  return found;
}

export function synthetic(name: string): SyntheticCase {
  const found = syntheticCases.find((each) => each.name === name);
  if (found === undefined) throw new Error(`there is no case ${name}`);
  return found;
}

/** Inverts bit `bit` of `bytes`. */
export function flip(bytes: Uint8Array, bit: number): void {
  bytes[bit >> 3] = (bytes[bit >> 3] ?? 0) ^ (1 << (bit & 7));
}
