import { Command } from 'commander';
import { AttestationClient, parseTpmsAttest } from '../../index.js';
import type { Context } from '../context.js';
import { UsageError } from '../exit.js';
import { parseBytes, parsePcrs } from '../input/bytes.js';
import { addGuestOptions, clientOptions, type GuestOptions, jsonOption } from '../options.js';
import { field, printSections } from '../output/table.js';

interface QuoteOptions extends GuestOptions {
  nonce: Uint8Array;
  pcrs?: number[];
  json?: boolean;
}

export function quoteCommand(context: Context): Command {
  const command = new Command('quote')
    .summary("have the vTPM's attestation key sign the PCRs and a nonce")
    .description(
      "Has the vTPM's attestation key sign a nonce and the SHA-256 PCRs. For a verifier elsewhere take cvm-attest evidence, which holds the quote and what proves its key.",
    )
    .requiredOption(
      '--nonce <bytes>',
      'qualifying data, 1 to 64 bytes: hex, text, or hex:…, base64:…, text:…',
      parseBytes,
    )
    .option('--pcrs <list>', 'PCRs to quote, such as 0-7,11; default all 24', parsePcrs)
    .addOption(jsonOption());
  addGuestOptions(command);
  return command
    .addHelpText(
      'after',
      `
Example:
  sudo cvm-attest quote --nonce 00112233445566778899aabbccddeeff --pcrs 0-7`,
    )
    .action(async (options: QuoteOptions) => {
      const { terminal, signal } = context;
      const { nonce, pcrs, json } = options;
      if (nonce.length > 64) throw new UsageError('--nonce takes at most 64 bytes');
      await using client = new AttestationClient(clientOptions(context, options));
      const { quote } = await terminal.progress(
        'quoting',
        client.getEvidence({ nonce, signal, certificates: false, ...(pcrs === undefined ? {} : { pcrs }) }),
      );
      if (quote === undefined) throw new Error('the evidence has no quote');
      const attest = parseTpmsAttest(quote.message);
      if (json) {
        terminal.json({ nonce, message: quote.message, signature: quote.signature, pcrs: quote.pcrs, attest });
        return;
      }
      printSections(terminal, [
        {
          title: 'Quote by the attestation key',
          fields: [
            ...field('nonce', attest.extraData),
            ...field('PCR digest', attest.quote?.pcrDigest),
            ...field('clock', `${attest.clock} ms`),
            ...field('TPM resets, restarts', `${attest.resetCount}, ${attest.restartCount}`),
            ...field('firmware', `0x${attest.firmwareVersion.toString(16)}`),
            ...field('message', quote.message),
            ...field('signature', quote.signature),
          ],
        },
        {
          title: 'PCRs (SHA-256)',
          fields: Object.entries(quote.pcrs.values).flatMap(([index, value]) => field(index, value)),
        },
      ]);
    });
}
