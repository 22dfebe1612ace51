import { describe, expect, it } from 'vitest';
import { runExample } from './run.js';

describe('example: attested channel', () => {
  it('lets two machines talk to each other and refuses a third', async () => {
    const { code, output } = await runExample('attested-channel.mjs');
    expect(output).toBe(
      [
        'the machine that was named: hello, machine 11111111-2222-4333-8444-555555555555',
        'a third machine of the same kind: ERR_CHANNEL_REFUSED, at the service ERR_POLICY',
        'a service in another machine than was named: ERR_POLICY',
        '',
      ].join('\n'),
    );
    expect(code).toBe(0);
  });
});
