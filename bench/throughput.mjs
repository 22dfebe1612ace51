// Content at the speed of the processor. Every contender's result is opened by the other implementation first.
import { bulkRows } from './_bulk.mjs';
import { limitRows } from './_limits.mjs';
import { messageRows } from './_messages.mjs';
import { LineProgram, nativeProgram } from './_native.mjs';
import { streamRows } from './_streams.mjs';

export async function run() {
  const program = nativeProgram('evp_loop');
  const evp = new LineProgram(program, []);
  const evpOpen = new LineProgram(program, []);
  try {
    return {
      title: 'Throughput of content encryption',
      rows: [
        ...(await bulkRows(evp, evpOpen)),
        ...(await messageRows()),
        ...(await streamRows(evp)),
        ...(await limitRows()),
      ],
    };
  } finally {
    evp.close();
    evpOpen.close();
  }
}
