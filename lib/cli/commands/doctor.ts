import { Command, Option } from 'commander';
import { DEFAULT_IMDS_URL } from '../../imds/imds.js';
import { DEFAULT_TCTI } from '../../tpm/native-tpm.js';
import type { Context } from '../context.js';
import { examine } from '../doctor/examine.js';
import type { Finding } from '../doctor/finding.js';
import { Exit } from '../exit.js';
import { collateralFileOption, readCollateral } from '../input/collateral.js';
import { addPolicyOption, addTrustedRootOption, readPolicy, readTrustedRoots } from '../input/verification.js';
import { addGuestOptions, ENV, type GuestOptions, jsonOption, proxyOption } from '../options.js';
import { printable } from '../output/printable.js';
import { wrap } from '../output/table.js';
import type { Terminal } from '../output/terminal.js';
import { VAULT_ENV } from '../vault-options.js';

interface DoctorOptions extends GuestOptions {
  collateral?: string;
  url?: string;
  vaultUrl?: string;
  trustedRoot?: string[];
  policy?: string;
  json?: boolean;
}

export function doctorCommand(context: Context): Command {
  const command = new Command('doctor')
    .summary('find out why attestation does not work here')
    .description(
      'Looks at everything that attestation needs, from the TPM device to the attestation service, and says for each what it means and what to do. Exit code 1 when something is wrong.',
    )
    .addOption(new Option('--url <url>', 'also attest with this service').env(ENV.url))
    .addOption(
      new Option('--vault-url <url>', 'also tell which access tokens this key vault takes').env(VAULT_ENV.vaultUrl),
    )
    .addOption(proxyOption())
    .addOption(collateralFileOption())
    .addOption(jsonOption());
  addGuestOptions(addPolicyOption(addTrustedRootOption(command)));
  return command
    .addHelpText(
      'after',
      `
Examples:
  sudo cvm-attest doctor
  sudo cvm-attest doctor --url https://sharedweu.weu.attest.azure.net`,
    )
    .action((options: DoctorOptions) => doctor(context, options));
}

async function doctor(context: Context, options: DoctorOptions): Promise<void> {
  const { terminal, signal } = context;
  const { tcti, imdsUrl, url, eventLog, osRelease, trustedRoot } = options;
  const policy = await readPolicy(options.policy);
  const trustedRoots = await readTrustedRoots(trustedRoot);
  const collateral = await readCollateral(options.collateral);
  const findings = await terminal.progress(
    'examining this machine',
    examine({
      tcti: tcti || DEFAULT_TCTI,
      imdsUrl: (imdsUrl || DEFAULT_IMDS_URL).replace(/\/+$/, ''),
      root: '/',
      signal,
      ...(url ? { attestationUrl: url } : {}),
      ...(collateral === undefined ? {} : { collateral }),
      ...(options.vaultUrl ? { vaultUrl: options.vaultUrl } : {}),
      ...(options.proxy === undefined ? {} : { proxy: options.proxy }),
      ...(eventLog ? { eventLogPath: eventLog } : {}),
      ...(osRelease ? { osReleasePath: osRelease } : {}),
      ...(trustedRoots === undefined ? {} : { trustedRoots }),
      ...(policy === undefined ? {} : { policy }),
    }),
  );
  const problems = findings.filter(({ status }) => status === 'problem').length;
  const warnings = findings.filter(({ status }) => status === 'warning').length;
  if (problems > 0) context.exitCode = Exit.refused;
  if (options.json) {
    terminal.json({ ok: problems === 0, problems, warnings, findings });
    return;
  }
  printFindings(terminal, findings);
  terminal.print();
  const { bold, green, red } = terminal.style;
  const counted = `${problems} ${problems === 1 ? 'problem' : 'problems'}, ${warnings} ${warnings === 1 ? 'warning' : 'warnings'}`;
  terminal.print(problems === 0 ? bold(green(`✓ ${counted}`)) : bold(red(`✗ ${counted}`)));
}

function printFindings(terminal: Terminal, findings: readonly Finding[]): void {
  const { bold, dim, green, red, yellow } = terminal.style;
  const marks = { ok: green('✓'), warning: yellow('!'), problem: red('✗'), skipped: dim('–') };
  const column = Math.max(...findings.map(({ title }) => title.length));
  const indent = ' '.repeat(column + 6);
  for (const { title, status, found, meaning, action } of findings) {
    const [first = '', ...rest] = wrap(printable(found), terminal.width - column - 6);
    const paint = status === 'skipped' ? dim : status === 'problem' ? bold : (text: string): string => text;
    terminal.print(`  ${marks[status]} ${dim(title.padEnd(column))}  ${paint(first)}`);
    for (const line of rest) terminal.print(`${indent}${paint(line)}`);
    if (meaning !== undefined)
      for (const line of wrap(printable(meaning), terminal.width - column - 6)) terminal.print(indent + line);
    if (action === undefined) continue;
    for (const [index, line] of wrap(printable(action), terminal.width - column - 8).entries()) {
      terminal.print(`${indent}${index === 0 ? yellow('→') : ' '} ${line}`);
    }
  }
}
