// Seed corpora of the fuzz targets: genuine bytes of simulated CVMs, of every product, so that fuzzing starts behind the
// magic numbers.
//
//   node scripts/fuzz-seeds.mjs FOLDER      writes FOLDER/TARGET/NAME
import { createHash } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { SimulatedCvm } from '../dist/simulator/index.js';

const folder = process.argv[2];
if (folder === undefined) throw new Error('usage: node scripts/fuzz-seeds.mjs FOLDER');

const HCL_HEADER_BYTES = 32;
const SNP_REPORT_BYTES = 1184;
/** GUIDs of the certificate table (GHCB specification, "SNP Extended Guest Request"). */
const TABLE_GUIDS = {
  vcek: '63da758de6644564adc5f4b93be8accd',
  ask: '4ab7b379bbac4fe4a02f05aef327c782',
  ark: 'c0b406a4a803495297433fb6014cd0ae',
};

const counts = {};
for (const product of ['Milan', 'Genoa', 'Turin']) await seedsOf(product);
for (const size of [0, 1, 16_384, 16_385, 40_000]) chunkedSeed(size);
for (const size of [0, 1, 64, 4_096]) write('session_message', `${size}.bin`, filled(size));
for (const ordered of [0, 1]) for (const window of [0, 1, 2, 3]) sessionSeed(ordered, window);
console.log(
  Object.entries(counts)
    .map(([target, count]) => `${target} ${count}`)
    .join(', '),
);

async function seedsOf(product) {
  const cvm = await SimulatedCvm.start({ product });
  const client = cvm.client();
  try {
    const nonce = Buffer.alloc(32, 7);
    const evidence = await client.getEvidence({ nonce });
    const { hclReport } = evidence;
    write('hcl_report', `${product}.bin`, hclReport);
    write('hcl_report', `${product}-unpadded.bin`, unpadded(hclReport));
    write('snp_report', `${product}.bin`, hclReport.subarray(HCL_HEADER_BYTES, HCL_HEADER_BYTES + SNP_REPORT_BYTES));
    write('tpms_attest', `${product}-quote.bin`, evidence.quote.message);
    if (evidence.ephemeralKey) {
      write('tpms_attest', `${product}-certify.bin`, evidence.ephemeralKey.certifyInfo);
      write('tpm2b_public', `${product}.bin`, evidence.ephemeralKey.publicArea);
    }
    const { authority, signingLeaf } = cvm;
    const certificates = { vcek: signingLeaf.certificate, ask: authority.ask, ark: authority.ark };
    for (const [name, { der, pem }] of Object.entries(certificates)) {
      write('certificate', `${product}-${name}.der`, der);
      write('certificate', `${product}-${name}.pem`, Buffer.from(pem));
    }
    write('certificate', `${product}-chain.pem`, Buffer.from(authority.chainPem));
    if (evidence.akCertificate) write('certificate', `${product}-ak.der`, evidence.akCertificate);
    for (const revoked of [[], ['ask'], ['ask', 'asvk']]) {
      const list = authority.revocationList({ revoked });
      write('revocation_list', `${product}-${revoked.length}.bin`, aboutCertificate(Buffer.alloc(0), list));
      write('revocation_list', `${product}-${revoked.length}-ark.bin`, aboutCertificate(authority.ark.der, list));
      write('revocation_list', `${product}-${revoked.length}-ask.bin`, aboutCertificate(authority.ask.der, list));
    }
    write('certificate_table', `${product}.bin`, certificateTable(certificates));
    // What the extensions' own decoders get: DER integers, an IA5String, a raw hardware id.
    write('certificate', `${product}-hwid.bin`, filled(product === 'Turin' ? 8 : 64));
    write('certificate', `${product}-spl.bin`, Buffer.from([2, 2, 0, 219]));
  } finally {
    await client.close();
    await cvm.stop();
  }
}

/** As cpp/test/fuzz/revocation_list.cc reads it. */
function aboutCertificate(certificate, list) {
  const length = Buffer.alloc(2);
  length.writeUInt16BE(certificate.length);
  return Buffer.concat([length, certificate, list]);
}

function certificateTable(certificates) {
  const entries = Object.entries(certificates);
  let offset = (entries.length + 1) * 24;
  const directory = Buffer.alloc(offset);
  entries.forEach(([name, { der }], i) => {
    directory.set(Buffer.from(TABLE_GUIDS[name], 'hex'), i * 24);
    directory.writeUInt32LE(offset, i * 24 + 16);
    directory.writeUInt32LE(der.length, i * 24 + 20);
    offset += der.length;
  });
  return Buffer.concat([directory, ...entries.map(([, { der }]) => der)]);
}

/** Piece length, changed byte, content: what the target reads. */
function chunkedSeed(size) {
  write('chunked_stream', `${size}.bin`, Buffer.concat([Buffer.from([0xff, 0x3f, 0x20, 0]), filled(size)]));
}

/** Whether it is ordered, its window, its limit; then ten messages sealed one by one and delivered in another order. */
function sessionSeed(ordered, window) {
  const sealed = Array.from({ length: 10 }, (_, i) => [0, 0, 20 + i, i]).flat();
  const delivered = [0, 1, 3, 2, 2, 9, 4].flatMap((i) => [3, i]);
  const head = ordered ? [1, 200] : [0, window, 200];
  write(
    'session_order',
    `${ordered}-${window}.bin`,
    Buffer.from([...head, ...sealed, ...delivered, 4, 2, 5, 6, 7, 5, 1, 0]),
  );
}

function filled(size) {
  return Buffer.alloc(size, createHash('sha256').update(String(size)).digest());
}

function unpadded(bytes) {
  let end = bytes.length;
  while (end > 0 && bytes[end - 1] === 0) end--;
  return bytes.subarray(0, end);
}

function write(target, name, bytes) {
  mkdirSync(join(folder, target), { recursive: true });
  writeFileSync(join(folder, target, name), bytes);
  counts[target] = (counts[target] ?? 0) + 1;
}
