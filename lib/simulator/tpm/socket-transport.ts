import { connect } from 'node:net';
import { headerSize, type TpmTransport } from './command.js';

/** Largest response of a TPM 2.0 of this kind is 4 KiB; more is a broken peer. */
const maxResponseSize = 65_536;

/**
 * Talks to a TPM behind a Unix socket the way the swtpm TCTI does: one connection for each command, so that several
 * clients share one TPM fairly.
 */
export function socketTransport(path: string): TpmTransport {
  return (command) =>
    new Promise((resolve, reject) => {
      const socket = connect({ path });
      const chunks: Buffer[] = [];
      let received = 0;
      const fail = (error: Error): void => {
        socket.destroy();
        reject(error);
      };
      socket.on('error', fail);
      socket.on('close', () => reject(new Error('the TPM closed the connection')));
      socket.on('data', (chunk: Buffer) => {
        chunks.push(chunk);
        received += chunk.length;
        if (received < headerSize) return;
        const response = Buffer.concat(chunks);
        const size = response.readUInt32BE(2);
        if (size < headerSize || size > maxResponseSize) return fail(new Error(`TPM response of ${size} bytes`));
        if (received < size) return;
        resolve(response.subarray(0, size));
        socket.destroy();
      });
      socket.write(command);
    });
}
