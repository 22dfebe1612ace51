// Writes docs/verify.html: one file that verifies evidence in the browser and sends nothing. --check fails when it is stale.
import { createHash } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { rolldown } from 'rolldown';

const root = fileURLToPath(new URL('..', import.meta.url));
const bundle = await rolldown({
  input: `${root}docs/page/verify-page.js`,
  platform: 'browser',
  cwd: root,
  resolve: { alias: { 'cvm-guest-attestation/verify': `${root}lib/verify.ts` } },
});
const { output } = await bundle.generate({ format: 'iife', minify: true, codeSplitting: false });
await bundle.close();
// Inside a script element nothing may look like its end.
const script = output[0].code.trim().replaceAll('</script', '<\\/script').replaceAll('<!--', '<\\!--');
const template = readFileSync(`${root}docs/page/verify-page.html`, 'utf8');
const style = /<style>(.*?)<\/style>/s.exec(template)[1];
const hash = (text) => `sha256-${createHash('sha256').update(text).digest('base64')}`;
const page = template
  .replace('SCRIPT-HASH', hash(script))
  .replace('STYLE-HASH', hash(style))
  .replace('<script>SCRIPT</script>', () => `<script>${script}</script>`);
const target = `${root}docs/verify.html`;
if (process.argv.includes('--check')) {
  if (readFileSync(target, 'utf8') !== page) {
    console.error('docs/verify.html is stale: npm run docs:page');
    process.exitCode = 1;
  }
} else writeFileSync(target, page);
