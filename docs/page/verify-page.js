// The script of docs/verify.html: scripts/verify-page.mjs bundles it with ./verify into the one file.
import { AttestationError, evidenceFromJson, explainEvidence } from 'cvm-guest-attestation/verify';
import { parseStrictJson } from '../../lib/base/strict-json.ts';

const $ = (id) => document.getElementById(id);
const KINDS = ['evidence', 'policy'];
/** What was given last, `{ name, text }`, as soon as it has been read. */
const given = { evidence: Promise.resolve(), policy: Promise.resolve() };
/** Runs so far: what an older one than the last finds is never shown. */
let runs = 0;

/** Elements without any HTML in text: evidence is untrusted. */
function element(tag, text, className) {
  const made = document.createElement(tag);
  made.textContent = text;
  if (className) made.className = className;
  return made;
}

/** A file is a policy or options when it has no HCL report. */
function kindOf(text) {
  try {
    return 'hclReport' in JSON.parse(text) ? 'evidence' : 'policy';
  } catch {
    return 'evidence';
  }
}

async function read(file, name = file.name) {
  return { name, text: await file.text() };
}

/** All files of a drop are read before any of them counts. */
function takeFiles(files) {
  const dropped = Promise.all(Array.from(files, (file) => read(file)));
  for (const kind of KINDS) {
    const before = given[kind];
    given[kind] = dropped.then((all) => {
      const [file, other] = all.filter(({ text }) => kindOf(text) === kind);
      if (other !== undefined) throw new Error(`${file.name} and ${other.name}: which of them is the ${kind}?`);
      return file ?? before;
    });
  }
  verify();
}

/** A policy alone, or options: `{ policy, nonce, userData, trustedRoots, now }`, bytes in base64url. */
function optionsOf(text) {
  if (text === undefined) return {};
  const written = parseStrictJson(text);
  const named = ['policy', 'nonce', 'userData', 'trustedRoots', 'now'];
  if (!named.some((name) => name in written)) return { policy: written };
  const options = {};
  for (const [name, value] of Object.entries(written)) {
    if (name === 'nonce' || name === 'userData') options[name] = bytesOf(value);
    else if (name === 'now') options.now = new Date(value);
    else options[name] = value;
  }
  return options;
}

function bytesOf(text) {
  const binary = atob(text.replaceAll('-', '+').replaceAll('_', '/'));
  return Uint8Array.from(binary, (character) => character.charCodeAt(0));
}

/** Verifies what was given last, once all of it is read; until then nothing is shown that an older run found. */
async function verify() {
  const run = ++runs;
  $('chain').replaceChildren();
  $('checks').replaceChildren();
  verdict('', 'verifying');
  try {
    const [evidence, policy] = await Promise.all([given.evidence, given.policy]);
    if (run !== runs) return;
    $('evidence-name').textContent = evidence?.name ?? '';
    $('policy-name').textContent = policy?.name ?? '';
    if (evidence === undefined) {
      verdict('', 'no evidence yet');
      return;
    }
    const started = performance.now();
    const result = await explainEvidence(evidenceFromJson(evidence.text), optionsOf(policy?.text));
    if (run === runs) show(result, performance.now() - started);
  } catch (error) {
    if (run !== runs) return;
    const code = error instanceof AttestationError ? `${error.code} ${error.codeName}` : error.name;
    verdict('bad', `cannot be verified: ${code}: ${error.message}`);
  }
}

const SUBJECTS = {
  root: 'Root of trust',
  intermediate: 'Intermediate certificate',
  leaf: 'Signing key of the hardware',
  'quoting-enclave': 'Quoting enclave',
  report: 'Hardware report',
  collateral: 'Collateral',
  tcb: 'TCB',
  'runtime-data': 'Runtime data',
  ak: 'Attestation key of the vTPM',
  quote: 'Quote',
  pcrs: 'PCRs',
  'event-log': 'Event log',
  'encryption-key': 'Ephemeral key',
  policy: 'Policy',
};

function show(result, milliseconds) {
  const failed = result.checks.filter(({ ok }) => !ok);
  const time = `${result.checks.length} checks in ${milliseconds.toFixed(0)} ms, signatures by ${result.engine}`;
  if (result.ok) verdict('good', `verified: ${time}`);
  else verdict('bad', `refused: ${failed[0].name} (${failed[0].code}); ${time}`);
  for (const [subject, title] of Object.entries(SUBJECTS)) {
    const checks = result.checks.filter((check) => check.subject === subject);
    if (checks.length === 0) continue;
    const section = group(title, checks);
    section.id = `subject-${subject}`;
    $('checks').append(section);
    $('chain').append(link(title, section, $('chain').querySelector('.bad') !== null));
  }
}

/** One link of the chain of trust; what comes after a broken one hangs on nothing, good as it may be in itself. */
function link(title, section, loose) {
  const broken = section.className === 'bad';
  const item = element('li', '', broken ? 'bad cut' : loose ? 'loose' : 'good');
  const anchor = element('a', `${broken ? '✗' : '✓'} ${title}`);
  anchor.href = `#${section.id}`;
  if (loose && !broken) anchor.title = 'good in itself, but an earlier link is broken';
  item.append(anchor);
  return item;
}

function group(title, checks) {
  const section = element('section', '', checks.every(({ ok }) => ok) ? 'good' : 'bad');
  section.append(element('h2', title));
  const list = element('ul', '');
  for (const { name, ok, skipped, code, expected, actual } of checks) {
    const item = element('li', '', skipped ? 'skipped' : ok ? 'good' : 'bad');
    item.append(element('span', `${skipped ? '–' : ok ? '✓' : '✗'} ${name}`));
    if (!ok) item.append(element('code', code));
    if (expected !== undefined && !ok) item.append(element('p', `expected ${expected}`));
    if (actual !== undefined) item.append(element('p', `${expected === undefined ? '' : 'found '}${actual}`));
    list.append(item);
  }
  section.append(list);
  return section;
}

function verdict(kind, text) {
  $('verdict').textContent = text;
  $('verdict').className = kind;
}

for (const kind of KINDS) {
  $(kind).addEventListener('change', (event) => {
    const [file] = event.target.files;
    if (file === undefined) return;
    // The element itself shows the name.
    given[kind] = read(file, '');
    verify();
  });
}
document.addEventListener('dragover', (event) => event.preventDefault());
document.addEventListener('drop', (event) => {
  event.preventDefault();
  takeFiles(event.dataTransfer.files);
});
