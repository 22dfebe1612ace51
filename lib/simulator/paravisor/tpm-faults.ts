import type { CommandCode } from '../tpm/constants.js';

/** What happens to a TPM command instead of, or besides, being answered. */
export type TpmFaultAction =
  /** The TPM does not see it; the guest gets this response code. */
  | { kind: 'error'; responseCode: number }
  /** The guest gets only the first bytes of the response, then the connection closes. */
  | { kind: 'truncate'; bytes: number }
  /** The guest gets a response of its own size with one bit of its parameters flipped. */
  | { kind: 'corrupt' }
  /** The guest gets exactly these bytes. */
  | { kind: 'replace'; response: Uint8Array }
  | { kind: 'delay'; ms: number }
  /** The connection closes without an answer. */
  | { kind: 'drop' }
  /** The connection stays open and no answer ever comes. */
  | { kind: 'silence' }
  /** Runs before the command is executed; for a PCR that changes at the worst moment. */
  | { kind: 'before'; run: () => void | Promise<void> };

/** One fault: it strikes the `nth` matching command from now on, then `times - 1` more. */
export interface TpmFault {
  /** Name as in the specification, without `TPM2_`, or code. Default: any command. */
  command?: keyof typeof CommandCode | number;
  /** Further condition on the whole command. */
  matches?: (command: Buffer) => boolean;
  /** Counted from 1. Default 1. */
  nth?: number;
  /** How often in a row. Default 1. */
  times?: number;
  action: TpmFaultAction;
}
