// Has Node read private keys, and keeps them. They come masked, so that nothing but the reading leaves them in memory.
import { createPrivateKey } from 'node:crypto';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../../..', import.meta.url));
const { wipingWhatIsFreed } = createRequire(import.meta.url)('node-gyp-build')(root);
const keys = [];

process.on('message', ({ input: { masked, wiping } }) => {
  const der = Buffer.from(new Uint8Array(masked.length));
  masked.forEach((byte, index) => {
    der[index] = byte ^ 0xa5;
  });
  const read = () => keys.push(createPrivateKey({ key: der, format: 'der', type: 'pkcs8' }));
  try {
    if (wiping) wipingWhatIsFreed(read);
    else read();
  } finally {
    der.fill(0);
  }
  process.send({ result: null });
});
