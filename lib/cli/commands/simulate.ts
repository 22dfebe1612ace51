import { spawn } from 'node:child_process';
import { rm } from 'node:fs/promises';
import { Command, InvalidArgumentError, Option } from 'commander';
import { type FaultName, namedFaults, SimulatedCvm } from '../../simulator/index.js';
import type { Context } from '../context.js';
import { CliError, Exit } from '../exit.js';
import { writeOutput } from '../input/files.js';
import { jsonOption } from '../options.js';
import { exportLines, guestEnvironment } from '../simulate/environment.js';

interface SimulateOptions {
  product: 'Milan' | 'Genoa' | 'Turin';
  vmType: 'snp' | 'tvm' | 'tdx';
  fault?: FaultName[];
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
      .option('--tls', 'let the attestation service speak HTTPS, with a certificate of its own authority')
      // Not --env-file: Node takes that for itself wherever it stands.
      .option('--write-env <file>', 'also write the exports to this file, once everything is up; removed at the end')
      .addOption(jsonOption())
      .passThroughOptions()
      .addHelpText('after', () => `\nFaults:\n${faultList()}\n${EXAMPLES}`)
      .action((command: string[], options: SimulateOptions) => simulate(context, command, options))
  );
}

function faultOption(): Option {
  const names = Object.keys(namedFaults);
  return new Option('--fault <name>', 'what is to be wrong with the guest; may be repeated')
    .choices(names)
    .argParser((name: string, previous: FaultName[] | undefined): FaultName[] => {
      if (!names.includes(name)) throw new InvalidArgumentError('The faults are listed by cvm-attest simulate --help.');
      return [...(previous ?? []), name as FaultName];
    });
}

const EXAMPLES = `
Examples:
  cvm-attest simulate                               and in another shell what it prints
  cvm-attest simulate -- cvm-attest report -p       one command on a simulated guest
  cvm-attest simulate --fault hcl-report-missing -- cvm-attest doctor`;

function faultList(): string {
  const width = Math.max(...Object.keys(namedFaults).map((name) => name.length));
  return Object.entries(namedFaults)
    .map(([name, { description }]) => `  ${name.padEnd(width)}  ${description}`)
    .join('\n');
}

async function simulate(context: Context, command: readonly string[], options: SimulateOptions): Promise<void> {
  const { terminal, signal } = context;
  const { product, vmType, tls, writeEnv, fault: faults = [] } = options;
  await using cvm = await terminal.progress(
    'starting a simulated confidential VM',
    SimulatedCvm.start({ product, vmType, faults, ...(tls ? { attestation: { tls: true } } : {}) }),
  );
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
