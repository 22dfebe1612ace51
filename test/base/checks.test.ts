import { describe, expect, it } from 'vitest';
import { CheckList, withChecks } from '../../lib/base/checks.js';

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

  it('gives a result its checks, put into words when they are first read', () => {
    let asked = 0;
    const list = new CheckList();
    list.add('ak', 'costly', 'ERR', true, { expected: () => `words ${++asked}`, actual: 'a' });
    const result = withChecks({ ok: true }, list);
    expect(asked).toBe(0);
    const words = [{ name: 'costly', ok: true, subject: 'ak', expected: 'words 1', actual: 'a' }];
    expect(result.checks).toEqual(words);
    expect(result.checks).toBe(result.checks);
    expect({ ...result }).toEqual({ ok: true, checks: words });
    expect(structuredClone(result)).toEqual({ ok: true, checks: words });
    expect(JSON.parse(JSON.stringify(result))).toEqual({ ok: true, checks: words });
    expect(new Proxy(result, {}).checks).toBe(result.checks);
    expect(Object.keys(result)).toEqual(['ok', 'checks']);
    expect(asked).toBe(1);
  });

  it('shows the checks of each result, not those of another', () => {
    const results = ['one', 'other'].map((name) => {
      const list = new CheckList();
      list.add('ak', name, 'ERR', true);
      return withChecks({ name }, list);
    });
    expect(results.map(({ checks }) => checks[0]?.name)).toEqual(['one', 'other']);
  });
});
