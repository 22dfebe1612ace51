import type { Check } from '../../base/errors.js';
import type { AttestationClaims } from '../../token/claims.js';
import { type ChainLink, LINK_IDS, type LinkId, verdictOf } from '../html/model.js';
import { renderPage } from '../html/page.js';
import { writeOutput } from '../input/files.js';
import { packageVersion } from '../version.js';
import { tokenSections } from './token.js';

const TITLES: Record<LinkId, string> = {
  root: 'AMD root key',
  intermediate: 'Signing key',
  leaf: 'Chip key',
  report: 'SEV-SNP report',
  'runtime-data': 'Runtime data',
  ak: 'Attestation key',
  quote: 'TPM quote',
  pcrs: 'PCRs',
  'event-log': 'Event log',
  token: 'Token',
};

/** Draws a token: it alone was verified here, if at all, and the service vouches for the rest of the chain. */
export async function writeTokenPage(
  path: string,
  { verdict, claims }: { verdict?: { ok: boolean; checks: readonly Check[] }; claims: AttestationClaims },
  subject: string,
): Promise<void> {
  const [token, ...sections] = tokenSections(claims);
  const issuer = typeof claims.iss === 'string' ? claims.iss : 'the service';
  const checks = verdict?.checks ?? [];
  const vouched = verdict?.ok === true ? 'vouched for by the service' : 'not verified';
  const links = LINK_IDS.map(
    (id): ChainLink =>
      id === 'token'
        ? {
            id,
            title: TITLES.token,
            identity: hostOf(issuer),
            checks,
            fields: token?.fields ?? [],
            absence: 'not verified',
          }
        : { id, title: TITLES[id], checks: [], fields: [], absence: vouched },
  );
  const text = renderPage({
    title: 'Attestation token',
    subject,
    ok: verdict?.ok === true,
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
