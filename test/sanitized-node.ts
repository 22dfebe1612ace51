// Loaded under a sanitizer alone (scripts/test-sanitize.sh): its runtime, which this process was started with, is for the
// addon. With it in them other programs are slow (swtpm) or never end (tpm2-tools, a browser). What the tests start by
// `process.execPath` is node, and gets it again.
const node = process.env.SANITIZED_NODE;
if (node === undefined) throw new Error('SANITIZED_NODE names no program');
process.execPath = node;
delete process.env.LD_PRELOAD;
