import { type Command, Option } from 'commander';
import type { OaepHash, RsaScheme } from '../../index.js';
import { UsageError } from '../exit.js';

/** Padding of one RSA block, for `--type none`. */
export interface SchemeArguments {
  scheme?: RsaScheme;
  hash?: OaepHash;
}

export const TYPES = ['stream', 'envelope', 'none'] as const;
export type MessageType = (typeof TYPES)[number];

export function addSchemeOptions(command: Command): Command {
  return command
    .addOption(
      new Option('--scheme <scheme>', 'padding for --type none; default RSA-OAEP').choices(['RSA-OAEP', 'RSAES']),
    )
    .addOption(
      new Option('--hash <hash>', 'hash of RSA-OAEP for --type none; default SHA-256').choices([
        'SHA-1',
        'SHA-256',
        'SHA-384',
        'SHA-512',
      ]),
    );
}

/** The scheme as the library takes it; an error where it would have no effect. */
export function schemeOf({ scheme, hash }: SchemeArguments, type: MessageType): SchemeArguments {
  if (type !== 'none' && (scheme !== undefined || hash !== undefined)) {
    throw new UsageError('--scheme and --hash are for --type none');
  }
  return { ...(scheme === undefined ? {} : { scheme }), ...(hash === undefined ? {} : { hash }) };
}
