import { Command } from 'commander';
import { evidenceFromJson, explainEvidence } from '../../index.js';
import type { Context } from '../context.js';
import { Exit } from '../exit.js';
import { parseBytes } from '../input/bytes.js';
import { readCertificates } from '../input/certificates.js';
import { addCollateralOptions, type CollateralArguments, collateralOption } from '../input/collateral.js';
import { readInput } from '../input/files.js';
import {
  addVerificationOptions,
  cautionOf,
  type VerificationArguments,
  verificationOptions,
} from '../input/verification.js';
import { collect, htmlOption, jsonOption } from '../options.js';
import { printResult } from '../present/result.js';
import { resultJson } from '../present/result-json.js';
import { writeResultPage } from '../present/result-page.js';
import { shownResult } from '../present/shown.js';

interface VerifyOptions extends VerificationArguments, CollateralArguments {
  nonce?: Uint8Array;
  context?: string;
  userData?: Uint8Array;
  certs?: string[];
  print?: boolean;
  json?: boolean;
  html?: string;
}

const MAX_EVIDENCE_BYTES = 2 << 20;

export function verifyCommand(context: Context): Command {
  const command = new Command('verify')
    .summary('verify evidence that a guest collected')
    .description(
      "Verifies evidence without any service: from AMD's or Intel's root over the hardware report and the attestation key to the quote, the PCRs and the event log.",
    )
    .argument('<evidence>', 'file written by cvm-attest evidence; - for stdin')
    .option(
      '--nonce <bytes>',
      'the nonce that was given to the guest: hex, text, or hex:…, base64:…, text:…',
      parseBytes,
    )
    .option('--context <name>', 'the context that was given to the guest')
    .option('--user-data <bytes>', 'the user data that the report must echo', parseBytes)
    .option(
      '-c, --certs <path>',
      'certificates in place of those in the evidence: PEM, DER or a folder; may be repeated',
      collect,
    )
    .option('-p, --print', 'print every field, not only those that decide')
    .addOption(jsonOption())
    .addOption(htmlOption());
  addCollateralOptions(addVerificationOptions(command));
  return command
    .addHelpText(
      'after',
      `
Examples:
  cvm-attest verify evidence.json --nonce 5f0c2a…
  cvm-attest verify evidence.json --nonce 5f0c2a… --policy policy.json --html evidence.html

Without --nonce nothing shows that the evidence is fresh.`,
    )
    .action(async (path: string, options: VerifyOptions) => {
      const { terminal } = context;
      const { nonce, userData } = options;
      const verification = await verificationOptions(options);
      const evidence = evidenceFromJson(await readInput(path, MAX_EVIDENCE_BYTES));
      if (options.certs !== undefined) evidence.certificates = await readCertificates(options.certs);
      const verified = await explainEvidence(evidence, {
        ...verification,
        ...(await collateralOption(context, options, evidence)),
        ...(nonce === undefined ? {} : { nonce }),
        ...(options.context === undefined ? {} : { context: options.context }),
        ...(userData === undefined ? {} : { userData }),
      });
      const result = shownResult(verified);
      if (!result.ok) context.exitCode = Exit.refused;
      const caution = cautionOf(options);
      if (options.html !== undefined) {
        await writeResultPage(options.html, result, { title: 'Evidence', subject: path, caution });
      }
      if (options.json) terminal.json(resultJson(result, caution));
      else printResult(terminal, result, { what: 'evidence', everything: options.print === true, caution });
    });
}
