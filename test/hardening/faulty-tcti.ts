import { execFileSync } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** A fault as cpp/test/tcti/fault_plan.h describes it: its name and number, and the commands that it strikes. */
export interface TctiFault {
  fault: string;
  /** Counted from 1, over all of the client's connections. */
  nth: number;
  /** How many commands in a row. Default 1. */
  times?: number;
}

/** The project's own TCTI, which misbehaves on demand between tpm2-tss and another TCTI. */
export class FaultyTcti implements AsyncDisposable {
  readonly #library: string;
  readonly #folder: string;

  private constructor(library: string, folder: string) {
    this.#library = library;
    this.#folder = folder;
  }

  /** Builds it where that is not done yet. */
  static async build(): Promise<FaultyTcti> {
    const script = fileURLToPath(new URL('../../scripts/build-faulty-tcti.sh', import.meta.url));
    const output = execFileSync('bash', [script], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });
    return new FaultyTcti(output.trim(), await mkdtemp(join(tmpdir(), 'faulty-tcti-')));
  }

  /** A way to the TPM at `tcti` of one client, with the fault if there is one. */
  before(tcti: string, fault?: TctiFault): FaultyConnection {
    const log = join(this.#folder, randomUUID());
    const plan = fault === undefined ? '' : `nth=${fault.nth},times=${fault.times ?? 1},fault=${fault.fault},`;
    return new FaultyConnection(`${this.#library}:${plan}log=${log},tcti=${tcti}`, log);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await rm(this.#folder, { recursive: true, force: true });
  }
}

export class FaultyConnection {
  /** For {@link AttestationClientOptions.tcti}. */
  readonly tcti: string;
  readonly #log: string;

  constructor(tcti: string, log: string) {
    this.tcti = tcti;
    this.#log = log;
  }

  /** What was sent so far: how many commands, and how many of them were struck. */
  get counts(): { commands: number; struck: number } {
    const lines = existsSync(this.#log) ? readFileSync(this.#log, 'utf8').trimEnd().split('\n') : [];
    return { commands: lines.length, struck: lines.filter((line) => /\S \S/.test(line)).length };
  }
}
