// Writes docs/api.md and the pages in docs/api/, the reference of everything that the package exports, from the compiled
// declarations: what an editor shows is what the pages say. With --check it only compares (CI runs that as a test).
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';

const root = new URL('..', import.meta.url);
const folder = new URL('docs/api/', root);

/** Entry points, and what portable programs have of the first. */
const entries = {
  '.': 'dist/index.d.ts',
  './verify': 'dist/verify.d.ts',
  './relying-party': 'dist/relying-party/index.d.ts',
  './simulator': 'dist/simulator/index.d.ts',
  './opentelemetry': 'dist/opentelemetry.d.ts',
};
/** Pages in the order of their navigation: where a declaration's file lies decides on which of an entry's it comes. */
const pages = [
  ['guest', 'Guest', '.', /^dist\/(guest|tpm)\//],
  ['encryption', 'Encryption', '.', /^dist\/(content|node\/(encrypt|jwe))/],
  ['key-release', 'Key release and release policies', '.', /^dist\/release\/|release/],
  ['tokens', 'Tokens and the attestation service', '.', /^dist\/(token|maa)\/|^dist\/node\/(token|services)/],
  ['evidence', 'Evidence', '.', /^dist\/(verify|abi|imds|engine|node)\b/],
  ['errors', 'Errors and what all share', '.', /./],
  ['relying-party', 'Servers of relying parties', './relying-party', /./],
  ['simulator', 'Simulator', './simulator', /./],
  ['opentelemetry', 'OpenTelemetry', './opentelemetry', /./],
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

/** The pages with their members, each name on one page of its entry point. */
function contents() {
  const portable = exported(entries['./verify']);
  const taken = new Set();
  return pages.map(([file, title, entry, pattern]) => {
    const members = [...exported(entries[entry])]
      .filter(([name, declared]) => pattern.test(declared.file) && !taken.has(`${entry} ${name}`))
      .map(([name, declared]) => {
        taken.add(`${entry} ${name}`);
        return { name, parts: declarations(declared), portable: entry === '.' && portable.has(name) };
      });
    members.sort(
      (a, b) => order.indexOf(a.parts[0].kind) - order.indexOf(b.parts[0].kind) || a.name.localeCompare(b.name, 'en'),
    );
    return {
      file,
      title,
      entry: entry === '.' ? 'cvm-guest-attestation' : `cvm-guest-attestation${entry.slice(1)}`,
      members,
    };
  });
}

const NOTICE = 'Made from the declarations by `npm run docs:api`; do not edit.';

function index(all) {
  const lines = ['# API reference', '', `${NOTICE} Guides: [README](../README.md).`, ''];
  lines.push(
    'Names with ◦ are also exported by `cvm-guest-attestation/verify`, which runs in every JavaScript runtime.',
    '',
  );
  for (const { file, title, entry, members } of all) {
    const links = members.map(
      ({ name, portable }) => `[${name}](api/${file}.md#${anchor(name)})${portable ? '◦' : ''}`,
    );
    lines.push(`## [${title}](api/${file}.md)`, '', `From \`${entry}\`: ${links.join(' · ')}`, '');
  }
  return `${lines.join('\n').trimEnd()}\n`;
}

function page({ file, title, entry, members }, all) {
  const navigation = all.map((other) =>
    other.file === file ? `**${other.title}**` : `[${other.title}](${other.file}.md)`,
  );
  const lines = [
    `# ${title}`,
    '',
    `[Reference](../api.md): ${navigation.join(' · ')}`,
    '',
    `From \`${entry}\`. ${NOTICE}`,
    '',
  ];
  for (const { name, parts, portable } of members) {
    lines.push(`## ${name}`, '');
    if (portable) lines.push('Also from `cvm-guest-attestation/verify`.', '');
    const docs = parts.map(({ doc }) => markdown(doc)).filter((doc) => doc !== '');
    for (const doc of new Set(docs)) lines.push(doc, '');
    lines.push('```ts', ...parts.map(({ code }) => code), '```', '');
  }
  return `${lines.join('\n').trimEnd()}\n`;
}

const anchor = (name) => name.toLowerCase();

const all = contents();
const written = new Map([['../api.md', index(all)], ...all.map((one) => [`${one.file}.md`, page(one, all)])]);
if (process.argv.includes('--check')) {
  const current = (name) => (existsSync(new URL(name, folder)) ? readFileSync(new URL(name, folder), 'utf8') : '');
  const stale = [...written].filter(([name, text]) => current(name) !== text).map(([name]) => name);
  const left = existsSync(folder) ? readdirSync(folder).filter((name) => !written.has(name)) : [];
  if (stale.length + left.length > 0) {
    console.error(`docs/api is not what the declarations say (${[...stale, ...left].join(', ')}): npm run docs:api`);
    process.exitCode = 1;
  }
} else {
  mkdirSync(folder, { recursive: true });
  for (const [name, text] of written) writeFileSync(new URL(name, folder), text);
  console.log(`docs/api: ${all.map(({ file, members }) => `${file} ${members.length}`).join(', ')}`);
}
