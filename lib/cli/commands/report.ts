import { randomBytes } from 'node:crypto';
import { Command, Option } from 'commander';
import type { Evidence, EvidenceCertificates } from '../../abi/evidence.js';
import type { Product } from '../../abi/tcb.js';
import { isTdQuote } from '../../abi/td-quote.js';
import { DEFAULT_KDS_URL } from '../../imds/kds-url.js';
import {
  AttestationClient,
  explainEvidence,
  explainSnpReport,
  explainTdQuote,
  fetchThimCertificates,
  KdsClient,
  parseHclReport,
  parseSnpReport,
  parseTdQuote,
  parseTdReport,
  type TdQuote,
  type TdReport,
} from '../../index.js';
import type { Context } from '../context.js';
import { Exit, UsageError } from '../exit.js';
import { readCertificates } from '../input/certificates.js';
import {
  addCollateralOptions,
  type CollateralArguments,
  collateralFor,
  collateralOption,
} from '../input/collateral.js';
import { readInput } from '../input/files.js';
import {
  addVerificationOptions,
  cautionOf,
  type VerificationArguments,
  verificationOptions,
} from '../input/verification.js';
import {
  addGuestOptions,
  clientOptions,
  ENV,
  type GuestOptions,
  htmlOption,
  jsonOption,
  proxyOption,
} from '../options.js';
import { printSections, type Section } from '../output/table.js';
import { printResult } from '../present/result.js';
import { hclJson, resultJson } from '../present/result-json.js';
import { writeResultPage } from '../present/result-page.js';
import { claimsFields, hclFields } from '../present/runtime-claims.js';
import { type ShownResult, shownResult } from '../present/shown.js';
import { snpReportSections } from '../present/snp-report.js';
import { tdQuoteSections, tdReportSection } from '../present/td-quote.js';

interface ReportOptions extends GuestOptions, VerificationArguments, CollateralArguments {
  print?: boolean;
  file?: string;
  certs?: string[];
  imds?: boolean;
  kds?: boolean;
  kdsUrl?: string;
  product?: Product;
  json?: boolean;
  html?: string;
}

const MAX_REPORT_BYTES = 64 * 1024;
const SNP_REPORT_BYTES = 1184;

export function reportCommand(context: Context): Command {
  const command = new Command('report')
    .summary('read the hardware report, verify it, show it')
    .description(
      "Reads this machine's SEV-SNP report from the vTPM (or a saved one from a file), verifies it down to AMD's root and shows it.",
    )
    .option('-p, --print', 'print every field, not only those that decide')
    .option('-f, --file <file>', 'a saved HCL report or SEV-SNP report instead of the vTPM; - for stdin')
    .addOption(
      new Option('-c, --certs <path...>', 'VCEK, ASK and ARK: PEM or DER files, or folders of them').conflicts([
        'imds',
        'kds',
      ]),
    )
    .addOption(
      new Option('--imds', "certificates from Azure's metadata service (the default on the VM)").conflicts('kds'),
    )
    .addOption(new Option('--kds', "certificates from AMD's key distribution service"))
    .addOption(
      new Option('--kds-url <url>', `another place to ask, such as a mirror; default ${DEFAULT_KDS_URL}`).env(
        ENV.kdsUrl,
      ),
    )
    .addOption(
      new Option('--product <product>', 'for --kds, where a report of version 2 does not tell').choices([
        'Milan',
        'Genoa',
        'Turin',
      ]),
    )
    .addOption(proxyOption())
    .addOption(jsonOption())
    .addOption(htmlOption());
  addCollateralOptions(addVerificationOptions(addGuestOptions(command)));
  return command
    .addHelpText(
      'after',
      `
Examples:
  sudo cvm-attest report -p                              this machine's report, every field
  cvm-attest report --file report.bin --certs certs.pem  a saved report, anywhere
  cvm-attest report --file report.bin --kds --html report.html

A saved report without certificates is shown but not verified.`,
    )
    .action((options: ReportOptions) =>
      options.file === undefined ? liveReport(context, options) : savedReport(context, options, options.file),
    );
}

async function liveReport(context: Context, options: ReportOptions): Promise<void> {
  const { terminal, signal } = context;
  const verification = await verificationOptions(options);
  const nonce = randomBytes(32);
  const own = options.certs !== undefined || options.kds === true;
  await using client = new AttestationClient(clientOptions(context, options));
  let evidence = await terminal.progress(
    'reading the report and a quote from the vTPM',
    client.getEvidence({ nonce, signal, ...(own ? { certificates: false } : {}) }),
  );
  if (own) {
    const certificates = await certificatesFor(context, options, evidence.hclReport);
    evidence = { ...evidence, ...(certificates === undefined ? {} : { certificates }) };
  }
  const collateral = await collateralOption(context, options, evidence);
  const result = await explainEvidence(evidence, { ...verification, ...collateral, nonce });
  await show(context, options, shownResult(result), 'this machine');
}

async function savedReport(context: Context, options: ReportOptions, file: string): Promise<void> {
  const bytes = await readInput(file, MAX_REPORT_BYTES);
  const verification = await verificationOptions(options);
  if (isTdQuote(bytes)) return savedTdQuote(context, options, bytes, file);
  if (isTdReport(bytes)) return showTd(context, options, parseTdReport(bytes));
  const isHcl = isHclReport(bytes);
  if (!isHcl && bytes.length !== SNP_REPORT_BYTES) {
    // The parser says best what is wrong with it.
    parseHclReport(bytes);
  }
  const certificates = await certificatesFor(context, options, bytes);
  if (certificates === undefined) {
    if (options.html !== undefined) throw new UsageError('--html draws a verification: give --certs, --imds or --kds');
    showUnverified(context, options, bytes, isHcl);
    return;
  }
  const evidence: Evidence = { version: 1, hclReport: bytes, certificates };
  const result = isHcl
    ? await explainEvidence(evidence, verification)
    : await explainSnpReport(bytes, { vcek: certificates.vcek, ...chainOf(certificates) }, verification);
  await show(context, options, shownResult(result), file);
}

/** A saved TD quote: verified where there is collateral, shown where there is none. */
async function savedTdQuote(context: Context, options: ReportOptions, bytes: Buffer, file: string): Promise<void> {
  const collateral = await collateralFor(context, options, bytes);
  if (collateral === undefined) {
    if (options.html !== undefined) throw new UsageError('--html draws a verification: give --collateral');
    showTd(context, options, parseTdQuote(bytes));
    return;
  }
  const { policy, trustedRoots, now } = await verificationOptions(options);
  const result = await explainTdQuote(bytes, {
    collateral,
    ...(policy === undefined ? {} : { policy }),
    ...(trustedRoots === undefined ? {} : { trustedRoots }),
    ...(now === undefined ? {} : { now }),
  });
  await show(context, options, shownResult(result), file);
}

/** What a TDREPORT or TD quote says, marked as unverified. */
function showTd({ terminal }: Context, options: ReportOptions, td: TdReport | TdQuote): void {
  const isQuote = 'signed' in td;
  if (options.json) {
    terminal.json({ ok: false, verified: false, [isQuote ? 'tdQuote' : 'tdReport']: td });
    return;
  }
  const everything = options.print === true;
  printSections(terminal, isQuote ? tdQuoteSections(td, everything) : [tdReportSection(td, everything)]);
  terminal.print();
  const { bold, yellow } = terminal.style;
  terminal.print(
    bold(
      yellow(
        isQuote
          ? '! not verified: give --collateral, or --fetch-collateral'
          : '! not verified: only the processor that made a TDREPORT can check it; what others verify is its TD quote',
      ),
    ),
  );
}

/** A TDREPORT has 1024 bytes, of type 0x81. */
function isTdReport(bytes: Uint8Array): boolean {
  return bytes.length === 1024 && bytes[0] === 0x81;
}

/** Certificates from where the options say; undefined when they say nothing about a saved report. */
async function certificatesFor(
  { terminal, signal }: Context,
  options: ReportOptions,
  report: Uint8Array,
): Promise<EvidenceCertificates | undefined> {
  if (options.certs !== undefined) return readCertificates(options.certs);
  if (options.kds) {
    const kds = new KdsClient({
      ...(options.kdsUrl ? { baseUrl: options.kdsUrl } : {}),
      ...(options.proxy === undefined ? {} : { proxy: options.proxy }),
    });
    const { product } = options;
    const hardwareReport = isHclReport(report) ? parseHclReport(report).hardwareReport : report;
    return terminal.progress(
      "asking AMD's key distribution service",
      kds.certificatesFor(hardwareReport, { signal, ...(product === undefined ? {} : { product }) }),
    );
  }
  if (options.imds) {
    const { imdsUrl } = options;
    return terminal.progress(
      'asking the metadata service',
      fetchThimCertificates({ signal, ...(imdsUrl ? { imdsUrl } : {}) }),
    );
  }
  return undefined;
}

async function show(context: Context, options: ReportOptions, result: ShownResult, subject: string): Promise<void> {
  const { terminal } = context;
  if (!result.ok) context.exitCode = Exit.refused;
  const caution = cautionOf(options);
  if (options.html !== undefined) {
    await writeResultPage(options.html, result, {
      title: result.tee === 'tdx' ? 'TD quote' : 'SEV-SNP report',
      subject,
      caution,
    });
  }
  if (options.json) terminal.json(resultJson(result, caution));
  else printResult(terminal, result, { what: 'report', everything: options.print === true, caution });
}

/** A saved report without certificates: what it says, marked as unverified. Its binding can be checked all the same. */
function showUnverified(context: Context, options: ReportOptions, bytes: Buffer, isHcl: boolean): void {
  const { terminal } = context;
  const hcl = isHcl ? parseHclReport(bytes) : undefined;
  const isSnp = hcl === undefined || hcl.reportType === 'snp';
  const report = isSnp ? parseSnpReport(hcl?.hardwareReport ?? bytes) : undefined;
  if (hcl?.bound === false) context.exitCode = Exit.refused;
  if (options.json) {
    terminal.json({
      ok: false,
      verified: false,
      hclReport: hcl === undefined ? undefined : hclJson(hcl),
      report,
      claims: hcl?.claims,
    });
    return;
  }
  const sections: Section[] = [];
  if (hcl !== undefined) sections.push({ title: 'HCL report', fields: hclFields(hcl) });
  if (report !== undefined) sections.push(...snpReportSections(report, options.print === true));
  if (hcl?.reportType === 'tdx')
    sections.push(tdReportSection(parseTdReport(hcl.hardwareReport), options.print === true));
  if (hcl !== undefined) sections.push({ title: 'Runtime claims', fields: claimsFields(hcl.claims) });
  printSections(terminal, sections);
  terminal.print();
  const { bold, red, yellow } = terminal.style;
  if (hcl?.bound === false)
    terminal.print(bold(red('✗ the runtime data is not what the report was made for  ERR_REPORT_DATA_MISMATCH')));
  const missing =
    hcl?.reportType === 'tdx'
      ? 'what proves it is its TD quote: cvm-attest evidence on the machine holds it'
      : 'give the certificates with --certs, --imds or --kds';
  terminal.print(bold(yellow(`! not verified: ${missing}`)));
}

function chainOf({ chain }: EvidenceCertificates): { ask?: string } {
  if (chain === undefined) return {};
  if (typeof chain === 'string') return { ask: chain };
  return chain.length === 0 ? {} : { ask: chain.map(pem).join('') };
}

function pem(der: Uint8Array): string {
  const lines =
    Buffer.from(der)
      .toString('base64')
      .match(/.{1,64}/g) ?? [];
  return `-----BEGIN CERTIFICATE-----\n${lines.join('\n')}\n-----END CERTIFICATE-----\n`;
}

function isHclReport(bytes: Uint8Array): boolean {
  return Buffer.from(bytes.subarray(0, 4)).toString('latin1') === 'HCLA';
}
