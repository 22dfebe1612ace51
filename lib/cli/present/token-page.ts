import type { Check } from '../../base/errors.js';
import type { AttestationClaims } from '../../token/claims.js';
import { type ChainLink, type LinkId, verdictOf } from '../html/model.js';
import { renderPage } from '../html/page.js';
import { writeOutput } from '../input/files.js';
import { packageVersion } from '../version.js';
import { tokenSections } from './token.js';

/** What a guest's token stands for, when it is genuine. */
const VOUCHED_FOR: readonly (readonly [id: LinkId, title: string])[] = [
  ['root', "Vendor's root key"],
  ['report', 'Hardware report'],
  ['runtime-data', 'Runtime data'],
  ['ak', 'Attestation key'],
  ['quote', 'TPM quote'],
  ['pcrs', 'PCRs'],
  ['event-log', 'Event log'],
];

/** Draws a token: it alone was verified here, if at all, and the service vouches for the rest of the chain. */
export async function writeTokenPage(
  path: string,
  { verdict, claims }: { verdict?: { ok: boolean; checks: readonly Check[] }; claims: AttestationClaims },
  subject: string,
): Promise<void> {
  const [token, ...sections] = tokenSections(claims);
  const issuer = typeof claims.iss === 'string' ? claims.iss : 'the service';
  const checks = verdict?.checks ?? [];
  const own: ChainLink = {
    id: 'token',
    title: 'Token',
    identity: hostOf(issuer),
    checks,
    fields: token?.fields ?? [],
    absence: 'not verified',
  };
  // Nothing is vouched for by a token that was not verified, or was refused.
  const vouched = verdict?.ok === true ? VOUCHED_FOR : [];
  const links = [
    own,
    ...vouched.map(
      ([id, title]): ChainLink => ({ id, title, checks: [], fields: [], absence: 'vouched for by the service' }),
    ),
  ];
  const text = renderPage({
    title: 'Attestation token',
    subject,
    state: verdict === undefined ? 'unverified' : verdict.ok ? 'verified' : 'refused',
    verdict:
      verdict === undefined ? 'Not verified: nobody was named whose token it must be' : verdictOf(verdict.ok, checks),
    links,
    otherChecks: [],
    sections,
    created: new Date(),
    version: packageVersion(),
  });
  await writeOutput(path, text);
}

function hostOf(issuer: string): string {
  return URL.canParse(issuer) ? new URL(issuer).host : issuer;
}
