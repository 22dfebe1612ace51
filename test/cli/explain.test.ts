import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { adviceFor } from '../../lib/base/advice.js';
import { EXPLAINED_CODES, explanationOf } from '../../lib/cli/explain/explanation.js';
import { AttestationError, ErrorCode, VerificationError } from '../../lib/index.js';
import { cvmAttest } from './cli.js';

const lib = fileURLToPath(new URL('../../lib/', import.meta.url));
/** Codes of Node, and beginnings of codes. */
const FOREIGN = /^ERR_(OSSL|OUT_OF_RANGE|MEMORY_ALLOCATION_FAILED|STRING_TOO_LONG|STREAM_DESTROYED)$|_$/;

/** Every `'ERR_…'` that the library's source names. */
const inSource = [
  ...new Set(
    readdirSync(lib, { recursive: true, encoding: 'utf8' })
      .filter((path) => path.endsWith('.ts'))
      .flatMap((path) => readFileSync(lib + path, 'utf8').match(/(?<=['"`])ERR_[A-Z0-9_]+/g) ?? []),
  ),
].filter((code) => !FOREIGN.test(code));

describe('cvm-attest explain', () => {
  it.each(Object.entries(ErrorCode))('knows %s by name and number: meaning, cause and what to do', (name, code) => {
    for (const given of [name, name.toLowerCase(), `ERROR_${name}`, String(code), `-${code}`]) {
      expect(explanationOf(given)).toMatchObject({
        code,
        name,
        meaning: expect.any(String),
        causes: expect.any(String),
      });
      expect(explanationOf(given)?.action).toMatch(/^[A-Z`].*[.…]$/);
    }
  });

  it.each(inSource)('knows %s: what it means and what to do', (code) => {
    expect(explanationOf(code)).toMatchObject({ code, meaning: expect.stringMatching(/\.$/) });
    expect(explanationOf(code.toLowerCase())?.action).toMatch(/[.…]$/);
  });

  it('does not know what is not a code', () => {
    for (const given of [
      '',
      '0',
      '33',
      '-0',
      '1.5',
      'ERR_',
      'ERR_NO_SUCH',
      'ERR_EVIDENCE_X',
      'toString',
      '__proto__',
      'ERR_toString',
    ]) {
      expect(explanationOf(given)).toBeUndefined();
    }
  });

  it('errors carry what to do, and their JSON and equality are as before', () => {
    const error = new AttestationError(8, 'x');
    expect(error.advice).toBe(adviceFor(8));
    expect(Object.keys(error)).not.toContain('advice');
    expect(new VerificationError('ERR_TOKEN_EXPIRED', 'x').advice).toBe(adviceFor('ERR_TOKEN_EXPIRED'));
  });

  it('prints meaning, causes and action, JSON, and the list of all', async () => {
    const one = await cvmAttest(['explain', '26']);
    expect(one).toMatchObject({ status: 0, stderr: '' });
    expect(one.stdout).toMatch(/^26 DATA_DECRYPTION_TPM_ERROR\n {2}means .*\n {2}usually [\s\S]*\n {2}try /);
    const json = JSON.parse((await cvmAttest(['explain', 'err_quote_nonce', '--json'])).stdout);
    expect(json).toMatchObject({ code: 'ERR_QUOTE_NONCE', meaning: expect.any(String), action: expect.any(String) });
    const all = await cvmAttest(['explain']);
    expect(all.stdout.trim().split('\n')).toHaveLength(EXPLAINED_CODES.length);
    const unknown = await cvmAttest(['explain', 'ERR_NO_SUCH']);
    expect(unknown).toMatchObject({ status: 2, stderr: expect.stringContaining('cvm-attest explain lists all') });
    const misspelt = await cvmAttest(['explain', 'ERR_TOKEN_NONC']);
    expect(misspelt.stderr).toContain('did you mean ERR_TOKEN_NONCE?');
  });
});
