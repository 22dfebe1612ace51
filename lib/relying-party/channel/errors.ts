import { VerificationError } from '../../base/errors.js';

/** Every code that an attested channel is refused with, once, with the sentence that the documentation gives. */
const TABLE = [
  ['ERR_CHANNEL_TLS', 'The connection is not TLS 1.3, was resumed, or has no exporter.'],
  ['ERR_CHANNEL_NOT_ATTESTED', 'A request arrived before its connection was attested, or after that had expired.'],
  ['ERR_CHANNEL_MESSAGE', "A message of the channel's protocol is malformed, too large, or of another version."],
  ['ERR_CHANNEL_FLAGS', 'The peer set flags that version 1 does not define.'],
  ['ERR_CHANNEL_NO_EVIDENCE', 'The peer sent no evidence where evidence was due.'],
  ['ERR_CHANNEL_BATCH', 'A fresh report was demanded, and the report was not made for this challenge.'],
  ['ERR_CHANNEL_DEADLINE', 'The peer did not attest before the deadline.'],
  ['ERR_CHANNEL_EXTRA_BYTES', 'The peer sent bytes behind its answer, before anything was asked.'],
  ['ERR_CHANNEL_BUSY', 'The peer makes no further quotes at this time.'],
  ['ERR_CHANNEL_REFUSED', 'The peer refuses to attest to this caller, or refuses what this end has shown.'],
  ['ERR_CHANNEL_REDIRECT', 'The answer redirects to another origin, which has attested nothing.'],
] as const;

export type ChannelErrorCode = (typeof TABLE)[number][0];

/** The codes of the attested channel, and what each means. */
export const CHANNEL_REFUSALS: Readonly<Record<ChannelErrorCode, string>> = Object.freeze(
  Object.fromEntries(TABLE) as Record<ChannelErrorCode, string>,
);

/** A refusal with its documented sentence and what happened this time. Nothing secret goes into `detail`. */
export function channelError(code: ChannelErrorCode, detail?: string, cause?: unknown): VerificationError {
  const sentence = CHANNEL_REFUSALS[code];
  return new VerificationError(code, detail === undefined ? sentence : `${sentence} (${detail})`, [], cause);
}
