// Writes docs/api.md, the reference of everything that the package exports, from the compiled declarations: what an editor
// shows is what the page says. With --check it only compares (CI runs that as a test).
import { existsSync, readFileSync, writeFileSync } from 'node:fs';

const root = new URL('..', import.meta.url);
const output = new URL('docs/api.md', root);

const entries = [
  { title: 'cvm-guest-attestation', file: 'dist/index.d.ts' },
  { title: 'cvm-guest-attestation/opentelemetry', file: 'dist/opentelemetry.d.ts' },
  { title: 'cvm-guest-attestation/simulator', file: 'dist/simulator/index.d.ts' },
];
/** Where a declaration's file lies decides under which heading it comes. */
const groups = [
  ['Guest', /^dist\/(client|guest|imds|tpm)/],
  ['Encryption', /^dist\/(encrypt|envelope)/],
  ['Tokens and the attestation service', /^dist\/(maa|middleware)/],
  ['Evidence', /^dist\/verify/],
  ['OpenTelemetry', /^dist\/opentelemetry/],
  ['Simulator', /^dist\/simulator/],
  ['Errors and the rest', /./],
];
const order = ['function', 'class', 'const', 'interface', 'type'];

const sources = new Map();
function source(file) {
  if (!sources.has(file)) sources.set(file, readFileSync(new URL(file, root), 'utf8'));
  return sources.get(file);
}

/** Every exported name with the file that declares it. */
function exported(file) {
  const found = new Map();
  const text = source(file);
  for (const [, list, from] of text.matchAll(/^export (?:type )?\{([^}]*)\} from '([^']+)';/gm)) {
    if (!from.startsWith('.')) {
      for (const name of names(list)) found.set(name, { file, name, external: from });
      continue;
    }
    const target = new URL(from.replace(/\.js$/, '.d.ts'), new URL(file, root)).href.slice(root.href.length);
    const inner = exported(target);
    for (const item of names(list)) {
      const [name, alias = name] = item.split(/ as /);
      const declared = inner.get(name);
      if (declared === undefined) throw new Error(`${file} exports ${name}, which ${target} does not declare`);
      found.set(alias, declared);
    }
  }
  for (const [, name] of text.matchAll(
    /^export (?:declare )?(?:abstract )?(?:class|interface|type|const|function) (\w+)/gm,
  )) {
    found.set(name, { file, name });
  }
  return found;
}

function names(list) {
  return list
    .split(',')
    .map((part) => part.trim().replace(/^type /, ''))
    .filter((part) => part !== '');
}

/** The declarations of `name` in `file` (a constant and a type may share it; a function may be overloaded). */
function declarations({ file, name, external }) {
  if (external !== undefined)
    return [{ kind: 'type', doc: `As in \`${external}\`.`, code: `export type { ${name} } from '${external}';` }];
  const text = source(file);
  const pattern = new RegExp(
    `^export (?:declare )?(?:abstract )?(class|interface|type|const|function) ${name}\\b`,
    'gm',
  );
  return [...text.matchAll(pattern)].map((match) => ({
    kind: match[1],
    doc: docBefore(text, match.index),
    code: text
      .slice(match.index, endOf(text, match.index))
      .replace(/^export (declare )?/, '')
      .replace(/^ +(?:private .*|#private;)\n/gm, '')
      .replace(/^( {4})+/gm, (indent) => ' '.repeat(indent.length / 2)),
  }));
}

function docBefore(text, index) {
  const before = text.slice(0, index);
  if (!before.endsWith('*/\n')) return '';
  const comment = before.slice(before.lastIndexOf('/**') + 3, -'*/\n'.length);
  return comment
    .split('\n')
    .map((line) => line.replace(/^\s*\* ?/, ''))
    .join('\n')
    .trim();
}

/** A declaration ends with the brace that closes it, or with a semicolon outside of all brackets. */
function endOf(text, start) {
  const braced = /^export (?:declare )?(?:abstract )?(class|interface)/.test(text.slice(start));
  let depth = 0;
  for (let at = start; at < text.length; at++) {
    const char = text[at];
    if (text.startsWith('/*', at)) at = text.indexOf('*/', at) + 1;
    else if (text.startsWith('//', at)) at = text.indexOf('\n', at);
    else if (char === "'" || char === '"' || char === '`') at = text.indexOf(char, at + 1);
    else if ('({['.includes(char)) depth++;
    else if (')}]'.includes(char)) {
      depth--;
      if (braced && depth === 0 && char === '}') return at + 1;
    } else if (char === ';' && depth === 0) return at + 1;
  }
  throw new Error(`no end of the declaration at ${start}`);
}

function markdown(doc) {
  return doc
    .replace(/\{@link ([^}|]+)(?:\|([^}]+))?\}/g, (_, target, label) => `\`${(label ?? target).trim()}\``)
    .replace(/^@param (\w+)(?: -)? ?/gm, '- `$1`: ')
    .replace(/^@returns? ?/gm, 'Returns: ')
    .replace(/^@throws ?(?:\{(\w+)\} ?)?/gm, (_, type) => (type ? `Throws \`${type}\`: ` : 'Throws: '))
    .replace(/^@see ?/gm, 'See ')
    .replace(/^@example\s*$/gm, 'Example:');
}

function page() {
  const lines = [
    '# API reference',
    '',
    'Made from the declarations by `npm run docs:api`; do not edit. Guides: [README](../README.md).',
    '',
  ];
  const sections = [];
  for (const { title, file } of entries) {
    const all = [...exported(file)].map(([name, declared]) => ({ name, ...declared, parts: declarations(declared) }));
    for (const [group, pattern] of groups) {
      const members = all.filter(
        ({ file: declaredIn }) => groups.find(([, test]) => test.test(declaredIn))[1] === pattern,
      );
      if (members.length === 0) continue;
      members.sort(
        (a, b) => order.indexOf(a.parts[0].kind) - order.indexOf(b.parts[0].kind) || a.name.localeCompare(b.name, 'en'),
      );
      sections.push({ title, group, members });
    }
  }
  for (const { title, group, members } of sections) {
    lines.push(
      `**${group}** (\`${title}\`): ${members.map(({ name }) => `[${name}](#${name.toLowerCase()})`).join(' · ')}`,
      '',
    );
  }
  for (const { title, group, members } of sections) {
    lines.push(`## ${group}`, '', `From \`${title}\`.`, '');
    for (const { name, parts } of members) {
      lines.push(`### ${name}`, '');
      const docs = parts.map(({ doc }) => markdown(doc)).filter((doc) => doc !== '');
      for (const doc of new Set(docs)) lines.push(doc, '');
      lines.push('```ts', ...parts.map(({ code }) => code), '```', '');
    }
  }
  return `${lines.join('\n').trimEnd()}\n`;
}

const text = page();
if (process.argv.includes('--check')) {
  const current = existsSync(output) ? readFileSync(output, 'utf8') : '';
  if (current !== text) {
    console.error('docs/api.md is not what the declarations say: npm run docs:api');
    process.exitCode = 1;
  }
} else {
  writeFileSync(output, text);
  console.log(`docs/api.md: ${text.split('\n### ').length - 1} names`);
}
