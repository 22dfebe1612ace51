// How much of a page ./verify is: bundled for a browser, minified, gzipped. By what a program uses of it.
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { rolldown } from 'rolldown';

const entry = fileURLToPath(new URL('../dist/verify.js', import.meta.url));

async function sizeOf(names) {
  const program = '\0program';
  const bundle = await rolldown({
    input: program,
    platform: 'browser',
    plugins: [
      {
        name: 'program',
        resolveId: (id) => (id === program ? id : null),
        load: (id) => (id === program ? `export ${names} from ${JSON.stringify(entry)};` : null),
      },
    ],
  });
  const { output } = await bundle.generate({ format: 'esm', minify: true, codeSplitting: false });
  await bundle.close();
  return {
    bytes: output[0].code.length,
    gzipped: gzipSync(output[0].code, { level: 9 }).length,
    imports: output[0].imports,
  };
}

const PROGRAMS = [
  ['verifyToken alone', '{ verifyToken }', undefined],
  ['verifyToken, tokenEncryptionKey, encryptJwe', '{ verifyToken, tokenEncryptionKey, encryptJwe }', 35],
  ['verifySnpReport alone', '{ verifySnpReport }', undefined],
  ['verifyTdQuote alone', '{ verifyTdQuote }', undefined],
  ['verifyEvidence of both TEEs, evidenceFromJson', '{ verifyEvidence, evidenceFromJson }', undefined],
  [
    'evidence of both TEEs, policy, tokens, event log, encryptJwe',
    '{ verifyEvidence, evidenceFromJson, parsePolicy, verifyToken, tokenEncryptionKey, encryptJwe, parseEventLog, replayEventLog }',
    50,
  ],
  ['everything, with the clients of MAA, KDS, PCS and THIM', '*', undefined],
];

/** @returns {Promise<{ title: string, rows: object[] }>} */
export async function run() {
  const rows = [];
  for (const [question, names, atMost] of PROGRAMS) {
    const { bytes, gzipped, imports } = await sizeOf(names);
    rows.push({
      question: `./verify gzipped: ${question}`,
      ratio: gzipped / 1000,
      unit: 'kB',
      ...(atMost !== undefined && { atMost }),
      details: `${(bytes / 1000).toFixed(1)} kB minified; imports ${imports.length === 0 ? 'nothing' : imports.join(', ')}`,
    });
  }
  return { title: 'Size of ./verify in a browser', rows };
}
