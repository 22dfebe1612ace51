import type { CertificateFacts } from '../../verify/result.js';
import { printChecks, printVerdict } from '../output/checks.js';
import { printable } from '../output/printable.js';
import { field, printSections, type Section } from '../output/table.js';
import type { Terminal } from '../output/terminal.js';
import { claimsFields, hclFields } from './runtime-claims.js';
import type { ShownResult } from './shown.js';
import { snpReportSections } from './snp-report.js';
import { tdQuoteSections, tdxTcbSection } from './td-quote.js';

/** Fields of what was verified, then every check, then the verdict: what an operator reads from top to bottom. */
export function printResult(
  terminal: Terminal,
  result: ShownResult,
  about: { what: string; everything: boolean; caution: string | undefined },
): void {
  const { what, everything, caution } = about;
  printSections(terminal, resultSections(result, everything));
  terminal.print();
  printChecks(terminal, result.checks);
  printWarnings(terminal, caution === undefined ? result.warnings : [...result.warnings, caution]);
  terminal.print();
  printVerdict(terminal, result.ok, result.checks, what);
}

function printWarnings(terminal: Terminal, warnings: readonly string[]): void {
  for (const warning of warnings) terminal.print(`  ${terminal.style.yellow('!')} ${printable(warning)}`);
}

function resultSections(result: ShownResult, everything: boolean): Section[] {
  const { hclReport, claims, report, pcrs } = result;
  const sections: Section[] = [];
  if (hclReport !== undefined) sections.push({ title: 'HCL report', fields: hclFields(hclReport) });
  if (report !== undefined) sections.push(...snpReportSections(report, everything));
  if (result.tdQuote !== undefined) sections.push(...tdQuoteSections(result.tdQuote, everything));
  if (result.tcb !== undefined) sections.push(tdxTcbSection(result.tcb));
  if (claims !== undefined) sections.push({ title: 'Runtime claims', fields: claimsFields(claims) });
  const certificates = certificatesOf(result);
  if (certificates.length > 0) {
    sections.push({
      title: 'Certificates',
      fields: certificates.flatMap(({ subject, issuer, notAfter }) =>
        field(subject, `by ${issuer}, until ${notAfter.toISOString().slice(0, 10)}`),
      ),
    });
  }
  if (everything && pcrs !== undefined) {
    sections.push({
      title: 'PCRs (SHA-256)',
      fields: Object.entries(pcrs).flatMap(([index, value]) => field(index, value)),
    });
  }
  return sections;
}

/** From the root down. */
function certificatesOf({ certificates, tdxCertificates }: ShownResult): CertificateFacts[] {
  const { ark, ask, vcek } = certificates ?? {};
  const { root, ca, pck, tcbSigning } = tdxCertificates ?? {};
  return [ark, ask, vcek, root, ca, pck, tcbSigning].filter((certificate) => certificate !== undefined);
}
