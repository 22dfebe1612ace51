import { type Command, Option } from 'commander';
import type { Logger } from '../base/logger.js';
import type { AttestationClientOptions } from '../guest/client-options.js';
import { DEFAULT_EVENT_LOG_PATH } from '../guest/event-log-file.js';
import type { Context } from './context.js';
import { printable } from './output/printable.js';
import type { Terminal } from './output/terminal.js';

/** Options of every command that talks to a guest's TPM, as commander delivers them. */
export interface GuestOptions {
  tcti?: string;
  imdsUrl?: string;
  eventLog?: string;
  osRelease?: string;
  verbose?: boolean;
  proxy?: string | false;
}

/** Environment variables that stand in for options, so that a simulated guest is set up once for many commands. */
export const ENV = Object.freeze({
  tcti: 'TSS2_TCTI',
  imdsUrl: 'CVM_ATTEST_IMDS_URL',
  eventLog: 'CVM_ATTEST_EVENT_LOG',
  osRelease: 'CVM_ATTEST_OS_RELEASE',
  kdsUrl: 'CVM_ATTEST_KDS_URL',
  url: 'CVM_ATTEST_URL',
  trustedRoot: 'CVM_ATTEST_TRUSTED_ROOT',
  policy: 'CVM_ATTEST_POLICY',
  collateral: 'CVM_ATTEST_COLLATERAL',
});

export function addTpmOption(command: Command): Command {
  return command.addOption(
    new Option('--tcti <tcti>', 'how to reach the TPM: device:/dev/tpmrm0 (default), swtpm:path=SOCKET').env(ENV.tcti),
  );
}

function addImdsOption(command: Command): Command {
  return command.addOption(
    new Option('--imds-url <url>', 'where the instance metadata service is; default http://169.254.169.254').env(
      ENV.imdsUrl,
    ),
  );
}

/** `--tcti`, `--imds-url`, `--event-log`, `--os-release` and `--verbose`. */
export function addGuestOptions(command: Command): Command {
  addImdsOption(addTpmOption(command));
  return command
    .addOption(
      new Option('--event-log <file>', `the firmware's TCG event log; default ${DEFAULT_EVENT_LOG_PATH}`).env(
        ENV.eventLog,
      ),
    )
    .addOption(
      new Option('--os-release <file>', 'the file that names the operating system; default /etc/os-release').env(
        ENV.osRelease,
      ),
    )
    .addOption(verboseOption());
}

/** For commands that talk to services other than instance metadata, which is always reached directly. */
export function proxyOption(): Option {
  return new Option(
    '--proxy <url>',
    "HTTP proxy; none for no proxy; default: the environment's HTTPS_PROXY, HTTP_PROXY and NO_PROXY",
  ).argParser((value: string): string | false => (value === 'none' ? false : value));
}

export function verboseOption(): Option {
  return new Option('-v, --verbose', 'say on stderr what the library does');
}

export function jsonOption(): Option {
  return new Option('--json', 'print one JSON document, described in docs/cli.md');
}

export function htmlOption(): Option {
  return new Option('--html <file>', 'also write a self-contained page that draws the chain of trust');
}

/** How the library's client is made from the options: `--verbose` shows what it logs. */
export function clientOptions({ terminal }: Context, options: GuestOptions): AttestationClientOptions {
  const { tcti, imdsUrl, eventLog, osRelease, verbose, proxy } = options;
  return {
    // Environment variables may be set to nothing, which means the default.
    ...(tcti ? { tcti } : {}),
    ...(imdsUrl ? { imdsUrl } : {}),
    ...(eventLog ? { eventLogPath: eventLog } : {}),
    ...(osRelease ? { osReleasePath: osRelease } : {}),
    ...(proxy === undefined ? {} : { proxy }),
    ...(verbose ? { logger: terminalLogger(terminal) } : {}),
  };
}

function terminalLogger(terminal: Terminal): Logger {
  const at =
    (level: string) =>
    (message: string): void =>
      terminal.note(terminal.noteStyle.dim(`${level} ${printable(message)}`));
  return { debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error') };
}

/**
 * For options that may be given several times. Not commander's variadic form (`<url...>`), which takes the command's
 * arguments that follow for more values.
 */
export function collect(value: string, previous: string[] | undefined): string[] | undefined {
  // An environment variable that is set to nothing is one that is not set.
  return value === '' ? previous : [...(previous ?? []), value];
}
