import { spawn } from 'node:child_process';
import { rm } from 'node:fs/promises';
import { Command, InvalidArgumentError, Option } from 'commander';
import { type FaultName, namedFaults, SimulatedCvm, type VaultFaultName, vaultFaults } from '../../simulator/index.js';
import type { Context } from '../context.js';
import { CliError, Exit } from '../exit.js';
import { writeOutput } from '../input/files.js';
import { collect, jsonOption } from '../options.js';
import { wrap } from '../output/table.js';
import { exportLines, guestEnvironment } from '../simulate/environment.js';
import { furnish } from '../simulate/furnish.js';

interface SimulateOptions {
  product: 'Milan' | 'Genoa' | 'Turin';
  vmType: 'snp' | 'tvm' | 'tdx';
  fault?: (FaultName | VaultFaultName)[];
  key?: string[];
  provision?: string[];
  tls?: boolean;
  writeEnv?: string;
  json?: boolean;
}

export function simulateCommand(context: Context): Command {
  return (
    new Command('simulate')
      .summary('keep a simulated guest up, for other commands and tests')
      .description(
        'Starts a simulated confidential VM (software TPM, AMD-like report and certificates, metadata service, attestation service), prints what to export, and keeps it up until Ctrl-C, or as long as the command that follows runs.',
      )
      .argument('[command...]', 'run this with everything exported, then stop')
      .addOption(new Option('--product <product>', 'AMD product').choices(['Milan', 'Genoa', 'Turin']).default('Milan'))
      .addOption(
        new Option('--vm-type <type>', 'SEV-SNP, trusted launch or TDX').choices(['snp', 'tvm', 'tdx']).default('snp'),
      )
      .addOption(faultOption())
      .option(
        '--key <name[:type]>',
        'make a key in the vault: RSA (default) or P-256, …, oct; may be repeated',
        collect,
      )
      .option('--provision <file=text>', 'provision a secret to the guest: writes its token to the file', collect)
      .option('--tls', 'let the attestation service speak HTTPS, with a certificate of its own authority')
      // Not --env-file: Node takes that for itself wherever it stands.
      .option('--write-env <file>', 'also write the exports to this file, once everything is up; removed at the end')
      .addOption(jsonOption())
      .passThroughOptions()
      .addHelpText('after', () => `\nFaults:\n${faultList()}\n${EXAMPLES}`)
      .action((command: string[], options: SimulateOptions) => simulate(context, command, options))
  );
}

const ALL_FAULTS = { ...namedFaults, ...vaultFaults };

function faultOption(): Option {
  const names = Object.keys(ALL_FAULTS);
  return new Option('--fault <name>', 'what is to be wrong with the guest; may be repeated')
    .choices(names)
    .argParser((name: string, previous: (FaultName | VaultFaultName)[] | undefined): (FaultName | VaultFaultName)[] => {
      if (!names.includes(name)) throw new InvalidArgumentError('The faults are listed by cvm-attest simulate --help.');
      return [...(previous ?? []), name as FaultName];
    });
}

/** Of the list of faults: names and descriptions. */
const FAULT_COLUMNS = 116;

const EXAMPLES = `
Examples:
  cvm-attest simulate                               and in another shell what it prints
  cvm-attest simulate -- cvm-attest report -p       one command on a simulated guest
  cvm-attest simulate --fault hcl-report-missing -- cvm-attest doctor`;

function faultList(): string {
  const width = Math.max(...Object.keys(ALL_FAULTS).map((name) => name.length));
  return Object.entries(ALL_FAULTS)
    .flatMap(([name, { description }]) =>
      wrap(description, FAULT_COLUMNS - width).map((line, at) => `  ${(at === 0 ? name : '').padEnd(width)}  ${line}`),
    )
    .join('\n');
}

async function simulate(context: Context, command: readonly string[], options: SimulateOptions): Promise<void> {
  const { terminal, signal } = context;
  const { product, vmType, tls, writeEnv, fault: faults = [] } = options;
  await using cvm = await terminal.progress(
    'starting a simulated confidential VM',
    SimulatedCvm.start({ product, vmType, faults, ...(tls ? { attestation: { tls: true } } : {}) }),
  );
  await furnish(cvm, options);
  const guest = await guestEnvironment(cvm);
  try {
    if (signal.aborted) return;
    const lines = exportLines(guest.variables);
    if (writeEnv !== undefined) await writeOutput(writeEnv, `${lines}\n`);
    if (command.length > 0) {
      context.exitCode = await runWith(command, { ...context.env, ...guest.variables });
      return;
    }
    if (options.json) terminal.json({ environment: guest.variables, pid: process.pid });
    else terminal.print(lines);
    terminal.note(`${terminal.noteStyle.green('✓')} simulated ${product} guest is up; Ctrl-C stops it`);
    await new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }));
  } finally {
    await guest.remove();
    if (writeEnv !== undefined) await rm(writeEnv, { force: true });
  }
}

/** Runs a command to its end; a signal to the group reaches it by itself, and ends this wait with it. */
function runWith([program = '', ...args]: readonly string[], env: NodeJS.ProcessEnv): Promise<number> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, { env, stdio: 'inherit' });
    child.once('error', (cause: NodeJS.ErrnoException) =>
      reject(
        new CliError(
          cause.code ?? 'ERR_SPAWN',
          `${program} cannot be run: ${cause.code === 'ENOENT' ? 'there is no such command' : cause.message}`,
          cause,
        ),
      ),
    );
    child.once('exit', (code, signal) => resolve(code ?? (signal === 'SIGINT' ? Exit.interrupted : Exit.failure)));
  });
}
