import { describe, expect, it } from 'vitest';
import { CheckList } from '../../lib/base/checks.js';

describe('CheckList', () => {
  it('keeps every check in order, with code only where one failed and values in words', () => {
    const list = new CheckList<'ERR_A' | 'ERR_B'>();
    expect(list.add(undefined, 'good', 'ERR_A', true)).toBe(true);
    expect(list.equal('quote', 'equal', 'ERR_A', 4, '4')).toBe(false);
    list.add('quote', 'one of', 'ERR_B', false, { expected: ['a', 'b'], actual: undefined });
    list.skipped('ak', 'not asked for', 'there is none');
    list.notChecked('pcrs', 'digest', 'no quote');
    expect(list.ok).toBe(false);
    expect(list.firstFailure?.name).toBe('equal');
    expect(list.checks).toEqual([
      { name: 'good', ok: true },
      { name: 'equal', ok: false, subject: 'quote', code: 'ERR_A', expected: '4', actual: '4' },
      { name: 'one of', ok: false, subject: 'quote', code: 'ERR_B', expected: 'a or b', actual: 'none' },
      { name: 'not asked for', ok: true, subject: 'ak', skipped: true, actual: 'there is none' },
      { name: 'digest', ok: false, subject: 'pcrs', code: 'ERR_NOT_CHECKED', actual: 'no quote' },
    ]);
  });

  it('shows untrusted values briefly and without their insides', () => {
    const list = new CheckList();
    list.add('ak', 'long', 'ERR', false, { expected: 1, actual: 'x'.repeat(1000) });
    list.add('ak', 'object', 'ERR', false, { expected: 1, actual: { secret: 1 } });
    list.add('ak', 'array', 'ERR', false, { expected: 1, actual: ['secret'] });
    expect(list.checks.map(({ actual }) => actual)).toEqual([`${'x'.repeat(256)}…`, 'an object', 'an array']);
  });
});
