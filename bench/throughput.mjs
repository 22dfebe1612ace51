// Content at the speed of the processor. Every contender's result is opened by the other implementation first.
import { bulkRows } from './_bulk.mjs';
import { limitRows } from './_limits.mjs';
import { messageRows } from './_messages.mjs';
import { nativeModule } from './_native.mjs';
import { streamRows } from './_streams.mjs';

export async function run() {
  const { EvpLoop } = nativeModule('evp_loop');
  return {
    title: 'Throughput of content encryption',
    rows: [
      ...(await bulkRows(EvpLoop)),
      ...(await messageRows(EvpLoop)),
      ...(await streamRows(EvpLoop)),
      ...(await limitRows()),
    ],
  };
}
