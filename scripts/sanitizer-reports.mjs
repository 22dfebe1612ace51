// Sorts what sanitizers wrote while a sanitized addon ran inside an ordinary node: `node sanitizer-reports.mjs FOLDER`.
//
// Node, V8 and the addons of tools synchronize and allocate in ways that an uninstrumented program does not show, so that
// there are leaks and races to report which concern them alone. A report counts when the addon's code did one of the
// accesses, or made the block that leaks. Everything that AddressSanitizer itself or UndefinedBehaviorSanitizer finds counts.
//
// Prints what counts and how many reports there were besides. Exits with 3 when any counts.
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

const [folder] = process.argv.slice(2);
const ours = /\((?:[^()]*\/)?(?:cvm_guest_attestation|sanitizer_check)\.node\+0x[0-9a-f]+\)/;

/** The parts of ThreadSanitizer's report that say who did it; the rest says where the block and the threads come from. */
const accesses = /^ {2}(?:Previous )?(?:atomic )?(?:read|write) of size|^ {2}(?:Previous )?(?:Atomic )?(?:Read|Write)/;

function racesOf(text) {
  const reports = text.split(/^={18}$/m).filter((part) => part.includes('WARNING: ThreadSanitizer'));
  return reports.map((report) => {
    const paragraphs = report.split(/\n\n/);
    const isRace = report.includes('data race') || report.includes('race on');
    // What is not a race (a lock order, a thread that leaks) counts with any of our frames.
    const relevant = isRace ? paragraphs.filter((part, i) => i === 0 || accesses.test(part)) : paragraphs;
    return { kind: 'race', text: report, counts: relevant.some(isRace ? doneByUs : (part) => ours.test(part)) };
  });
}

/** Whether the addon's code did it; not V8, of which a collection may begin in whatever the addon asks for. */
function doneByUs(paragraph) {
  const frames = paragraph.split('\n').slice(1);
  const first = frames.findIndex((frame) => ours.test(frame));
  return first >= 0 && !frames.slice(0, first).some((frame) => / v8::/.test(frame));
}

function leaksOf(text) {
  const records = text.match(/^(?:Direct|Indirect) leak of [\s\S]*?(?=\n\n)/gm) ?? [];
  return records.map((record) => ({ kind: 'leak', text: record, counts: allocatedByUs(record) }));
}

/**
 * Whether the addon asked for the block, itself or through Node-API; not V8, for what it keeps of the addon's values. Nor a
 * promise's deferred: work that process.exit() or worker.terminate() overtakes leaves one behind, because Node-API frees it
 * when the promise is settled and in no other way, and settles none in an environment that ends. In one that goes on, a
 * promise that nobody settles makes its test time out.
 */
const allocatedByUs = (record) => doneByUs(record) && !/ in napi_create_promise /.test(record);

const errorsOf = (text) =>
  /ERROR: AddressSanitizer|runtime error:/.test(text) ? [{ kind: 'error', text, counts: true }] : [];

const reports = readdirSync(folder).flatMap((name) => {
  const text = readFileSync(join(folder, name), 'utf8');
  return [...racesOf(text), ...leaksOf(text), ...errorsOf(text)].map((report) => ({ ...report, name }));
});
const counted = reports.filter((report) => report.counts);
for (const { name, text } of counted) console.log(`--- ${name}\n${text.trim()}\n`);
console.log(
  `${counted.length} reports concern the addon; ${reports.length - counted.length} concern node and tools alone`,
);
process.exitCode = counted.length === 0 ? 0 : 3;
