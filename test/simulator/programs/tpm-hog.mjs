// Fills a TPM with objects and sessions, one connection for each command as tpm2-tss's swtpm TCTI makes it, and stays.
import { connect } from 'node:net';

const [path, createPrimary, startSession, count] = process.argv.slice(2);

const send = (hex) =>
  new Promise((resolve, reject) => {
    const socket = connect({ path });
    socket.once('error', reject);
    socket.once('data', (response) => {
      socket.destroy();
      resolve(response.readUInt32BE(6));
    });
    socket.write(Buffer.from(hex, 'hex'));
  });

const codes = [];
for (let i = 0; i < Number(count); i++) codes.push(await send(createPrimary), await send(startSession));
process.stdout.write(`${JSON.stringify(codes)}\n`);
setInterval(() => {}, 1000);
