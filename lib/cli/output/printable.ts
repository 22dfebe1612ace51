// Control characters would let a report, a token or a service steer the terminal (move the cursor, set the title, hide a
// line); format characters would let it reorder or hide what is read.
const UNPRINTABLE = /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/gu;

/** `text` on one line and without any character that a terminal would act on: each becomes `\u{…}`. */
export function printable(text: string): string {
  return text.replace(UNPRINTABLE, (character) => `\\u{${(character.codePointAt(0) as number).toString(16)}}`);
}

/** `text` cut to at most `limit` characters, saying how much is missing. */
export function shorten(text: string, limit: number): string {
  return text.length <= limit ? text : `${text.slice(0, limit)}… (${text.length - limit} more)`;
}
