import type { Check, CheckSubject } from '../../base/errors.js';
import type { CertificateFacts } from '../../verify/result.js';
import { type ChainLink, type LinkId, verdictOf } from '../html/model.js';
import { renderPage } from '../html/page.js';
import { writeOutput } from '../input/files.js';
import { type Field, field } from '../output/table.js';
import { packageVersion } from '../version.js';
import { claimsFields, hclFields } from './runtime-claims.js';
import type { ShownResult } from './shown.js';
import { snpReportSections, tcbText } from './snp-report.js';
import { tdQuoteSections, tdxTcbSection } from './td-quote.js';

/** Draws a verification into one self-contained file. */
export async function writeResultPage(
  path: string,
  result: ShownResult,
  about: { title: string; subject: string; caution: string | undefined },
): Promise<void> {
  const links = chainLinks(result);
  const text = renderPage({
    title: about.title,
    subject: about.subject,
    ...(about.caution === undefined ? {} : { caution: about.caution }),
    state: result.ok ? 'verified' : 'refused',
    verdict: verdictOf(result.ok, result.checks),
    links,
    otherChecks: [
      { title: 'Other checks', checks: result.checks.filter(({ subject }) => !links.some(({ id }) => id === subject)) },
    ].filter(({ checks }) => checks.length > 0),
    sections: [
      ...(result.report === undefined ? [] : snpReportSections(result.report, true).slice(1)),
      {
        title: 'Unsigned or unexplained',
        fields: result.warnings.map((warning, index) => ({ name: `${index + 1}`, value: warning })),
      },
    ],
    created: new Date(),
    version: packageVersion(),
  });
  await writeOutput(path, text);
}

function chainLinks(result: ShownResult): ChainLink[] {
  const { hclReport, claims, quote, pcrs, eventLog, encryptionKey } = result;
  const link: MakeLink = (id, title, absence, about): ChainLink => ({
    id,
    title,
    checks: checksOf(result.checks, id as CheckSubject),
    fields: about.fields ?? [],
    absence,
    ...(about.identity === undefined ? {} : { identity: about.identity }),
  });
  const ak = claims?.keys.find(({ kid }) => kid === 'HCLAkPub');
  const isTdx = result.tee === 'tdx' || result.checks.some(({ subject }) => subject === 'quoting-enclave');
  return [
    ...(isTdx ? tdxLinks(result, link) : snpLinks(result, link)),
    link('runtime-data', 'Runtime data', 'not part of it', {
      ...(hclReport === undefined ? {} : { identity: `${hclReport.variableData.length} bytes, ${hclReport.hashType}` }),
      fields: [
        ...(hclReport === undefined ? [] : hclFields(hclReport)),
        ...(claims === undefined ? [] : claimsFields(claims)),
      ],
    }),
    link('ak', 'Attestation key', 'not part of it', {
      ...(ak === undefined
        ? {}
        : { identity: `HCLAkPub, RSA-${Buffer.from(ak.n, 'base64url').length * 8}`, fields: field('modulus', ak.n) }),
    }),
    link('quote', 'TPM quote', 'not part of it', {
      ...(quote === undefined
        ? {}
        : {
            identity: `boot ${quote.resetCount}, clock ${quote.clock}`,
            fields: [
              ...field('qualifying data', quote.extraData),
              ...field('PCR digest', quote.quote?.pcrDigest),
              ...field('clock', quote.clock),
              ...field('resets, restarts', `${quote.resetCount}, ${quote.restartCount}`),
            ],
          }),
    }),
    link('pcrs', 'PCRs', 'not part of it', {
      ...(pcrs === undefined
        ? {}
        : {
            identity: `${Object.keys(pcrs).length} of SHA-256`,
            fields: Object.entries(pcrs).flatMap(([index, value]) => field(`PCR ${index}`, value)),
          }),
    }),
    link('event-log', 'Event log', eventLog === undefined ? 'not part of it' : 'not checked', eventLogAbout(eventLog)),
    link('encryption-key', 'Encryption key', 'not part of it', {
      ...(encryptionKey === undefined
        ? {}
        : { identity: 'RSA, of this boot', fields: field('modulus', encryptionKey.n) }),
    }),
    link('policy', 'Policy', 'nothing demanded', {}),
    { id: 'token', title: 'Token', checks: [], fields: [], absence: 'none: no service asked' },
  ];
}

type MakeLink = (
  id: LinkId,
  title: string,
  absence: string,
  about: { identity?: string; fields?: Field[] },
) => ChainLink;

function snpLinks(result: ShownResult, link: MakeLink): ChainLink[] {
  const { certificates, report } = result;
  return [
    link('root', 'AMD root key', 'no certificate', certificateAbout(certificates?.ark)),
    link('intermediate', 'Signing key', 'no certificate', certificateAbout(certificates?.ask)),
    link('leaf', 'Chip key', 'no certificate', {
      ...certificateAbout(certificates?.vcek),
      fields: [...(certificateAbout(certificates?.vcek).fields ?? []), ...endorsementFields(result)],
    }),
    link('report', 'SEV-SNP report', 'no report', {
      ...(report === undefined
        ? {}
        : { identity: `version ${report.version}${result.product === undefined ? '' : `, ${result.product}`}` }),
      fields: report === undefined ? [] : (snpReportSections(report, true)[0]?.fields ?? []),
    }),
  ];
}

function tdxLinks({ tdxCertificates, tdQuote, tcb }: ShownResult, link: MakeLink): ChainLink[] {
  const { root, ca, pck } = tdxCertificates ?? {};
  return [
    link('root', 'Intel root key', 'no certificate', certificateAbout(root)),
    link('collateral', 'Collateral', 'none given', {}),
    link('intermediate', 'PCK authority', 'no certificate', certificateAbout(ca)),
    link('leaf', 'PCK certificate', 'no certificate', certificateAbout(pck)),
    link('quoting-enclave', 'Quoting enclave', 'not checked', {}),
    link('tcb', 'Platform TCB', 'not checked', {
      ...(tcb === undefined ? {} : { identity: tcb.status, fields: tdxTcbSection(tcb).fields }),
    }),
    link('report', 'TD quote', 'no quote', {
      ...(tdQuote === undefined
        ? {}
        : { identity: `version ${tdQuote.version}`, fields: tdQuoteSections(tdQuote, true)[0]?.fields ?? [] }),
    }),
  ];
}

function checksOf(checks: readonly Check[], subject: CheckSubject): Check[] {
  return checks.filter((check) => check.subject === subject);
}

function certificateAbout(certificate: CertificateFacts | undefined): { identity?: string; fields?: Field[] } {
  if (certificate === undefined) return {};
  const { subject, issuer, serial, notBefore, notAfter, fingerprint } = certificate;
  return {
    identity: `${subject}, until ${notAfter.getUTCFullYear()}`,
    fields: [
      ...field('issuer', issuer),
      ...field('serial', serial),
      ...field('valid', `${notBefore.toISOString().slice(0, 10)} to ${notAfter.toISOString().slice(0, 10)}`),
      ...field('SHA-256', fingerprint),
    ],
  };
}

function endorsementFields({ certificates }: ShownResult): Field[] {
  const vcek = certificates?.vcek;
  return [
    ...field('product', vcek?.productName),
    ...field('TCB', vcek?.tcb === undefined ? undefined : tcbText(vcek.tcb)),
    ...field('hardware id', vcek?.hwid),
    ...field('provider', vcek?.cspId),
  ];
}

/** Boot loaders and kernels first, then where each PCR leads. */
function eventLogAbout(log: ShownResult['eventLog']): { identity?: string; fields?: Field[] } {
  if (log === undefined) return {};
  const { events, pcrs, bootApplications = [], secureBoot, kernelCommandLine, absent } = log;
  return {
    identity: `${events.length} events`,
    fields: [
      ...field('secure boot', secureBoot ?? `not proven: ${absent.secureBoot}`, { alert: secureBoot === false }),
      ...bootApplications.flatMap(({ path, sha256 }) => field('started', `${path}\n${sha256}`)),
      ...field('kernel command line', kernelCommandLine ?? `not proven: ${absent.kernelCommandLine}`),
      ...Object.entries(pcrs).flatMap(([index, { replayed, quoted, matches }]) =>
        field(`replays to PCR ${index}`, replayed, { alert: quoted !== undefined && !matches }),
      ),
    ],
  };
}
