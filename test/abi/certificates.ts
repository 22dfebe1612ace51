import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** Every distinct certificate under the fixtures, with the file that it was found in first. */
export function fixtureCertificates(): { name: string; der: Uint8Array }[] {
  const root = fileURLToPath(new URL('../../../shared/fixtures/', import.meta.url));
  const found = new Map<string, { name: string; der: Uint8Array }>();
  const add = (name: string, der: Uint8Array): void => {
    const key = Buffer.from(der).toString('base64');
    if (!found.has(key)) found.set(key, { name, der: new Uint8Array(der) });
  };
  for (const path of filesUnder(root)) {
    const bytes = readFileSync(path);
    const name = path.slice(root.length);
    if (path.endsWith('.pem') || path.endsWith('.crt'))
      for (const der of pemCertificates(bytes.toString('latin1'))) add(name, der);
    else if (/(vcek|akcert|ark|ask|leaf)\.der$/.test(path)) add(name, bytes);
    else if (path.endsWith('td-quote.bin')) for (const der of pemCertificates(bytes.toString('latin1'))) add(name, der);
    else if (/tdx\/collateral\/.*\.json$/.test(path)) {
      for (const text of Object.values(JSON.parse(bytes.toString('utf8')) as Record<string, string>)) {
        for (const der of pemCertificates(text)) add(name, der);
      }
    }
  }
  return [...found.values()];
}

function filesUnder(folder: string): string[] {
  return readdirSync(folder).flatMap((name) => {
    const path = join(folder, name);
    return statSync(path).isDirectory() ? filesUnder(path) : [path];
  });
}

export function pemCertificates(text: string): Uint8Array[] {
  const blocks = text.matchAll(/-----BEGIN CERTIFICATE-----([A-Za-z0-9+/=\s]+)-----END CERTIFICATE-----/g);
  return [...blocks].map(([, body]) => Buffer.from(body ?? '', 'base64'));
}
