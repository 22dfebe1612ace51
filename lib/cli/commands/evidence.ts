import { Command } from 'commander';
import { AttestationClient, evidenceToJson, explainEvidence } from '../../index.js';
import type { Context } from '../context.js';
import { Exit, UsageError } from '../exit.js';
import { parseBytes, parsePcrs } from '../input/bytes.js';
import { addCollateralOptions, type CollateralArguments, collateralOption } from '../input/collateral.js';
import { writeOutput } from '../input/files.js';
import {
  addPolicyOption,
  addTrustedRootOption,
  cautionOf,
  readPolicy,
  readTrustedRoots,
} from '../input/verification.js';
import { addGuestOptions, clientOptions, type GuestOptions, htmlOption } from '../options.js';
import { writeResultPage } from '../present/result-page.js';
import { shownResult } from '../present/shown.js';

interface EvidenceCommandOptions extends GuestOptions, CollateralArguments {
  nonce?: Uint8Array;
  context?: string;
  userData?: Uint8Array;
  pcrs?: number[];
  certificates: boolean;
  out?: string;
  html?: string;
  trustedRoot?: string[];
  policy?: string;
}

export function evidenceCommand(context: Context): Command {
  const command = new Command('evidence')
    .summary('collect everything that this guest can show about itself')
    .description(
      'Collects the hardware report with its runtime data, a fresh quote, the PCRs, certificates and the event log into one JSON file, for cvm-attest verify on another machine.',
    )
    .option('--nonce <bytes>', "the verifier's nonce, 1 to 64 bytes: hex, text, or hex:…, base64:…, text:…", parseBytes)
    .option('--context <name>', 'the protocol that the nonce belongs to, 1 to 32 of a–z, 0–9 and -')
    .option('--user-data <bytes>', 'up to 64 bytes that the hardware report is to carry', parseBytes)
    .option('--pcrs <list>', 'PCRs to quote, such as 0-7,11; default all 24', parsePcrs)
    .option('--no-certificates', 'leave the certificates out: the verifier has them')
    .option('-o, --out <file>', 'where to write; default: stdout')
    .addOption(htmlOption());
  addCollateralOptions(command);
  addGuestOptions(addPolicyOption(addTrustedRootOption(command)));
  return command
    .addHelpText(
      'after',
      `
Example:
  sudo cvm-attest evidence --nonce 5f0c2a… --out evidence.json`,
    )
    .action(async (options: EvidenceCommandOptions) => {
      const { terminal, signal } = context;
      const { nonce, userData, pcrs, certificates, out } = options;
      if (nonce === undefined)
        terminal.note(terminal.noteStyle.yellow('no --nonce: nothing will show that this evidence is fresh'));
      for (const [name, bytes] of [
        ['nonce', nonce],
        ['user-data', userData],
      ] as const) {
        if (bytes !== undefined && bytes.length > 64) throw new UsageError(`--${name} takes at most 64 bytes`);
      }
      await using client = new AttestationClient(clientOptions(context, options));
      const evidence = await terminal.progress(
        'collecting evidence',
        client.getEvidence({
          signal,
          ...(nonce === undefined ? {} : { nonce }),
          ...(options.context === undefined ? {} : { context: options.context }),
          ...(userData === undefined ? {} : { userData }),
          ...(pcrs === undefined ? {} : { pcrs }),
          ...(certificates ? {} : { certificates: false }),
        }),
      );
      if (options.html !== undefined) {
        const trustedRoots = await readTrustedRoots(options.trustedRoot);
        const policy = await readPolicy(options.policy);
        const result = await explainEvidence(evidence, {
          ...(await collateralOption(context, options, evidence)),
          ...(options.context === undefined ? {} : { context: options.context }),
          ...(nonce === undefined ? {} : { nonce }),
          ...(options.context === undefined ? {} : { context: options.context }),
          ...(userData === undefined ? {} : { userData }),
          ...(trustedRoots === undefined ? {} : { trustedRoots }),
          ...(policy === undefined ? {} : { policy }),
        });
        if (!result.ok) context.exitCode = Exit.refused;
        await writeResultPage(options.html, shownResult(result), {
          title: 'Evidence',
          subject: 'this machine',
          caution: cautionOf(options),
        });
      }
      const text = evidenceToJson(evidence);
      if (out === undefined || out === '-') {
        terminal.print(text);
        return;
      }
      await writeOutput(out, `${text}\n`);
      terminal.note(`${out}: ${Buffer.byteLength(text)} bytes`);
    });
}
