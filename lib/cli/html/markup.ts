/** Text that is HTML already: made by {@link html} alone, so that nothing else reaches a page unescaped. */
export class Markup {
  constructor(readonly text: string) {}
}

type Value = string | number | Markup | readonly Markup[] | undefined;

/**
 * Template tag: every value is escaped for element content and for attributes in double quotes, unless it is markup made
 * by this tag. Characters that would reorder or hide text are shown as their code points.
 */
export function html(parts: TemplateStringsArray, ...values: Value[]): Markup {
  let text = parts[0] as string;
  for (const [index, value] of values.entries()) text += render(value) + (parts[index + 1] as string);
  return new Markup(text);
}

function render(value: Value): string {
  if (value === undefined) return '';
  if (value instanceof Markup) return value.text;
  if (typeof value === 'object') return value.map((part) => part.text).join('');
  return escaped(String(value));
}

const ENTITIES: Record<string, string> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
  '`': '&#96;',
};

// Controls but for line breaks and tabs, format characters (bidirectional, invisible), lone surrogates, other separators.
const HIDDEN = /(?![\n\t])[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}\u2800]/gu;

function escaped(text: string): string {
  return text
    .replace(HIDDEN, (character) => `\\u{${(character.codePointAt(0) as number).toString(16)}}`)
    .replace(/[&<>"'`]/g, (character) => ENTITIES[character] as string);
}
