import { existsSync, readFileSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';

const dist = fileURLToPath(new URL('../../dist/', import.meta.url));

/** What a declaration file says without its comments. */
const textOf = (file: string): string =>
  readFileSync(file, 'utf8')
    .replace(/\/\*.*?\*\//gs, '')
    .replace(/\/\/.*$/gm, '');

const resolved = (from: string, specifier: string): string =>
  normalize(join(dirname(from), specifier.replace(/\.js$/, '.d.ts')));

/** Names that a file takes from others of the package: by their name here, where they are declared and as what. */
function importsOf(file: string, text: string): Map<string, { file: string; name: string }> {
  const found = new Map<string, { file: string; name: string }>();
  for (const [, names = '', specifier = ''] of text.matchAll(/(?:im|ex)port (?:type )?\{([^}]*)\} from '(\.[^']+)'/g)) {
    for (const one of names.split(',').map((name) => name.trim().replace(/^type /, ''))) {
      const [name = '', alias = name] = one.split(/ as /);
      if (name !== '') found.set(alias, { file: resolved(file, specifier), name });
    }
  }
  return found;
}

/** Where a name is declared, through the files that hand it on. */
function declared(file: string, name: string): { file: string; name: string } {
  const text = textOf(file);
  const handedOn = [...text.matchAll(/export (?:type )?\{([^}]*)\} from '(\.[^']+)'/g)].some(([, names = '']) =>
    names.split(',').some(
      (one) =>
        one
          .trim()
          .replace(/^type /, '')
          .split(/ as /)
          .at(-1) === name,
    ),
  );
  const next = handedOn ? importsOf(file, text).get(name) : undefined;
  return next === undefined ? { file, name } : declared(next.file, next.name);
}

/** Everything that an entry point exports, by where it is declared. */
function exportsOf(entry: string): Map<string, { file: string; name: string }> {
  const text = textOf(entry);
  const all = new Map<string, { file: string; name: string }>();
  for (const [name] of importsOf(entry, text)) {
    const at = declared(entry, name);
    all.set(`${at.file}#${at.name}`, at);
  }
  for (const [, specifier = ''] of text.matchAll(/export \* from '(\.[^']+)'/g)) {
    for (const [key, at] of exportsOf(resolved(entry, specifier))) all.set(key, at);
  }
  return all;
}

/** A declaration up to the next one, without private members. */
function declarationOf(text: string, name: string): string {
  const start = new RegExp(
    `^export (?:declare )?(?:abstract )?(?:function|class|interface|type|const) ${name}\\b`,
    'm',
  ).exec(text);
  if (start === null) return '';
  const rest = text.slice(start.index);
  const end = rest.slice(1).search(/^(?:export|declare|interface|type|import) /m);
  const declaration = end === -1 ? rest : rest.slice(0, end + 1);
  return declaration.replace(/^\s*(?:private|#)[^;]*;$/gm, '').replace(/'[^']*'/g, "''");
}

/** Of what no caller ever writes: the addon's classes, and the table that error codes come from. */
const INTERNAL = /^(Native\w+|Row)$/;

/** Names in the signatures of what an entry point exports that neither it nor one of `others` exports. */
function missingTypes(entry: string, others: readonly string[] = []): string[] {
  const exported = exportsOf(join(dist, entry));
  const importable = new Set([entry, ...others].flatMap((one) => [...exportsOf(join(dist, one)).keys()]));
  const missing = new Set<string>();
  for (const { file, name } of exported.values()) {
    const text = textOf(file);
    const imports = importsOf(file, text);
    for (const [used] of declarationOf(text, name).matchAll(/\b[A-Z]\w+\b/g)) {
      // What a file keeps to itself is spelled out by the compiler.
      const local = new RegExp(`^export (?:declare )?(?:class|interface|type) ${used}\\b`, 'm').test(text);
      const at = imports.get(used) ?? (local ? { file, name: used } : undefined);
      if (at === undefined || !existsSync(at.file)) continue;
      const where = declared(at.file, at.name);
      if (INTERNAL.test(where.name) || importable.has(`${where.file}#${where.name}`)) continue;
      missing.add(`${where.name} (of ${name})`);
    }
  }
  return [...missing].sort();
}

describe('every name in a public signature can be imported', () => {
  it.each(['index.d.ts', 'verify.d.ts'])('from %s itself', (entry) => {
    expect(missingTypes(entry)).toEqual([]);
  });
  it.each(['relying-party/index.d.ts'])('from %s or from the whole package', (entry) => {
    expect(missingTypes(entry, ['index.d.ts'])).toEqual([]);
  });
});
