import { once } from 'node:events';
import type { IncomingMessage } from 'node:http';
import { request } from 'node:https';
import type { Server } from 'node:net';
import { connect, createServer, type TLSSocket, type TlsOptions } from 'node:tls';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { evidenceToJson } from '../../../lib/index.js';
import type { BindingFacts } from '../../../lib/relying-party/channel/protocol.js';
import { closed, dialling, listening, type Machine, startMachine } from './machines.js';

/**
 * Each attack is made twice: against a build of the channel with the one check taken out that stops it, where it succeeds,
 * and against the channel as it is, where it does not. So no attack is refused for another reason than its own.
 */

const CHANNEL = '../../../lib/relying-party/channel';
type Build = Awaited<ReturnType<typeof build>>;

/** The channel with modules replaced: everything that it is made of is loaded again. */
async function build(weaken: () => void = () => undefined) {
  vi.resetModules();
  for (const module of REPLACEABLE) vi.doUnmock(`${CHANNEL}/${module}.js`);
  vi.doUnmock('../../../lib/verify/evidence.js');
  // The machines stay what they are.
  vi.doMock('../../../lib/guest/internal-evidence.js', () => internalEvidenceModule);
  weaken();
  return {
    ...(await import(`../../../lib/relying-party/index.js`)),
    ...(await import(`../../../lib/relying-party/channel/protocol.js`)),
    ...(await import(`../../../lib/relying-party/channel/tls-facts.js`)),
    ...(await import(`../../../lib/relying-party/channel/own-certificate.js`)),
  };
}

const REPLACEABLE = ['protocol', 'tls-facts', 'remembered', 'server-connection', 'attested-end', 'peer-verifier'];
let internalEvidenceModule: typeof import('../../../lib/guest/internal-evidence.js');

/** Takes one fact out of the binding, for both ends. */
const without = (fact: Partial<BindingFacts>) => () =>
  vi.doMock('../../../lib/relying-party/channel/protocol.js', async (original) => {
    const module = await original<typeof import('../../../lib/relying-party/channel/protocol.js')>();
    return { ...module, channelBinding: (facts: BindingFacts) => module.channelBinding({ ...facts, ...fact }) };
  });

const ZEROS = new Uint8Array(32);
const CONNECTION = { exporter: ZEROS, spkiSha256: ZEROS };

/** The check of the quote's qualifying data taken out. */
const withoutNonce = () =>
  vi.doMock('../../../lib/verify/evidence.js', async (original) => {
    const module = await original<typeof import('../../../lib/verify/evidence.js')>();
    return {
      ...module,
      verifyProtocolEvidence: (
        context: Parameters<typeof module.verifyEvidenceIn>[0],
        _protocol: string,
        evidence: Parameters<typeof module.verifyEvidenceIn>[1],
        { nonce: _, ...options }: Parameters<typeof module.verifyProtocolEvidence>[3],
      ) => module.verifyEvidenceIn(context, evidence, options),
    };
  });

let victim: Machine;
const servers: Server[] = [];
const sockets: { destroy(): unknown }[] = [];

beforeAll(async () => {
  internalEvidenceModule = await import('../../../lib/guest/internal-evidence.js');
  victim = await startMachine();
});
afterEach(async () => {
  for (const socket of sockets.splice(0)) socket.destroy();
  await Promise.all(servers.splice(0).map(closed));
});
afterAll(async () => {
  vi.resetModules();
  await victim.stop();
});

const serve = (server: Server): Promise<number> => {
  servers.push(server);
  return listening(server);
};

interface Question {
  challenge: Uint8Array;
  socket: TLSSocket;
  body: string;
}

/** A server of the attacker's: its own key, and whatever answer he wants. */
async function hostileServer(
  channel: Build,
  answer: (question: Question) => Promise<string | Buffer>,
  tls: TlsOptions = channel.CHANNEL_TLS,
): Promise<number> {
  const own = channel.makeOwnCertificate();
  const server = createServer({ ...tls, ...own }, (socket) => {
    socket.on('error', () => undefined);
    let received = '';
    socket.on('data', async (part: Buffer) => {
      received += part.toString('latin1');
      const [, body] = received.split('\r\n\r\n');
      if (body === undefined || !body.endsWith('}')) return;
      received = '';
      const challenge = Buffer.from((JSON.parse(body) as { challenge: string }).challenge, 'base64url');
      socket.write(await answer({ challenge, socket, body }));
    });
  });
  return serve(server);
}

function http(body: string, status = '200 OK'): string {
  return `HTTP/1.1 ${status}\r\nContent-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`;
}

/** What the victim's TPM would sign for a protocol of this package, if it could be asked to. */
async function signed(nonce: Uint8Array, context = 'channel-v1'): Promise<object> {
  const evidence = await internalEvidenceModule.internalEvidence(victim.client, { nonce, context });
  return JSON.parse(evidenceToJson(evidence)) as object;
}

const message = (evidence: object, flags = 1): string => http(JSON.stringify({ version: 1, flags, evidence }));

let unique = 0;
/** Demands that nothing remembered can meet. */
const demands = () => ({ ...victim.demands, maxAge: 600_000 - ++unique });

describe('a relay', () => {
  /** Ends the client's connection itself and passes its question on to the victim over another one. */
  const relay = async (channel: Build): Promise<void> => {
    const behind = await serve(channel.attestedServer({ client: victim.client, maxQuotesPerSecond: 1000 }));
    const port = await hostileServer(channel, async ({ body }) => {
      const sent = request({
        host: '127.0.0.1',
        port: behind,
        path: channel.CHANNEL_PATH,
        method: 'POST',
        rejectUnauthorized: false,
        agent: false,
      });
      sent.end(body);
      const [answer] = (await once(sent, 'response')) as [IncomingMessage];
      let text = '';
      for await (const part of answer.setEncoding('utf8')) text += part;
      return http(text);
    });
    sockets.push(await channel.connectAttested(dialling(port, demands())));
  };

  it('with its own certificate succeeds where the binding leaves the connection out, and fails as it is', async () => {
    await relay(await build(without(CONNECTION)));
    await expect(relay(await build())).rejects.toMatchObject({ code: 'ERR_QUOTE_NONCE' });
  });
});

describe('a recorded answer', () => {
  const replay = async (channel: Build): Promise<void> => {
    const port = await serve(channel.attestedServer({ client: victim.client, maxQuotesPerSecond: 1000 }));
    const first = await channel.connectAttested(dialling(port, demands()));
    sockets.push(first);
    const facts = channel.tlsFacts(first);
    // The recording: what the victim signed for that connection and its challenge.
    const binding = {
      role: 'server' as const,
      flags: 1,
      challenge: ZEROS,
      exporter: facts.exporter,
      spkiSha256: facts.peer,
    };
    const recorded = await signed(channel.channelBinding(binding));
    const hostile = await hostileServer(channel, async () => message(recorded));
    sockets.push(await channel.connectAttested(dialling(hostile, demands())));
  };

  it('is taken where the binding holds nothing of the exchange, and refused as it is', async () => {
    await replay(await build(without({ ...CONNECTION, challenge: ZEROS })));
    await expect(replay(await build())).rejects.toMatchObject({ code: 'ERR_QUOTE_NONCE' });
  });
});

describe('evidence that was made for something else', () => {
  /** The attacker has the victim's word for this very connection but for one fact. */
  const forge =
    (change: (facts: BindingFacts) => BindingFacts, sign: (binding: Uint8Array) => Promise<object> = signed) =>
    async (channel: Build): Promise<void> => {
      const port = await hostileServer(channel, async ({ challenge, socket }) => {
        const { exporter, own } = channel.tlsFacts(socket);
        const facts = { role: 'server' as const, flags: 1, challenge, exporter, spkiSha256: own };
        return message(await sign(channel.channelBinding(change(facts))));
      });
      sockets.push(await channel.connectAttested(dialling(port, demands())));
    };

  it.each<[string, (channel: Build) => Promise<void>, () => void]>([
    ['the other role', forge((facts) => ({ ...facts, role: 'client' })), without({ role: 'server' })],
    ['other flags', forge((facts) => ({ ...facts, flags: 0 })), without({ flags: 1 })],
    ['another challenge', forge((facts) => ({ ...facts, challenge: ZEROS })), without({ challenge: ZEROS })],
    ['another connection', forge((facts) => ({ ...facts, exporter: ZEROS })), without({ exporter: ZEROS })],
    ['another key', forge((facts) => ({ ...facts, spkiSha256: ZEROS })), without({ spkiSha256: ZEROS })],
    [
      'another context',
      forge(
        (facts) => facts,
        (binding) => signed(binding, 'another-v1'),
      ),
      withoutNonce,
    ],
    [
      "a raw nonce of the relay's choice",
      forge(
        (facts) => facts,
        async (nonce) => JSON.parse(evidenceToJson(await victim.client.getEvidence({ nonce }))) as object,
      ),
      withoutNonce,
    ],
  ])('(%s) is taken without its check, and refused as it is', async (_what, attack, weaken) => {
    await attack(await build(weaken));
    await expect(attack(await build())).rejects.toMatchObject({ code: 'ERR_QUOTE_NONCE' });
  });

  it('cannot be had from getEvidence: neither the context nor what looks like it', async () => {
    const { qualifyingData } = await import('../../../lib/base/qualifying-data.js');
    await expect(victim.client.getEvidence({ nonce: ZEROS, context: 'channel-v1' })).rejects.toMatchObject({ code: 8 });
    const nonce = qualifyingData('channel-v1', ZEROS);
    await expect(victim.client.getEvidence({ nonce })).rejects.toMatchObject({ code: 8 });
  });
});

describe('TLS', () => {
  const weakTls = (tls: object) => () =>
    vi.doMock('../../../lib/relying-party/channel/tls-facts.js', async (original) => {
      const module = await original<typeof import('../../../lib/relying-party/channel/tls-facts.js')>();
      const tlsFacts = (socket: TLSSocket) =>
        module.tlsFacts(
          new Proxy(socket, {
            get: (target, name) => {
              if (name === 'getProtocol') return () => 'TLSv1.3';
              if (name === 'isSessionReused') return () => false;
              const value: unknown = Reflect.get(target, name, target);
              return typeof value === 'function' ? value.bind(target) : value;
            },
          }),
        );
      return { ...module, CHANNEL_TLS: tls, tlsFacts };
    });

  it('1.2 is spoken where its version is not looked at, and refused as it is', async () => {
    const attack = async (channel: Build): Promise<void> => {
      const port = await hostileServer(
        channel,
        async ({ challenge, socket }) => {
          const { exporter, own } = channel.tlsFacts(socket);
          const facts = { role: 'server' as const, flags: 1, challenge, exporter, spkiSha256: own };
          return message(await signed(channel.channelBinding(facts)));
        },
        { maxVersion: 'TLSv1.2' },
      );
      sockets.push(await channel.connectAttested(dialling(port, demands())));
    };
    await attack(await build(weakTls({})));
    await expect(attack(await build())).rejects.toMatchObject({ code: 7 });
  });

  it('sessions are resumed where tickets are given and reuse is not looked at, and not as it is', async () => {
    /** Connects twice, the second time with the first connection's session. Whether the server let it in as resumed. */
    const resumed = async (channel: Build): Promise<boolean> => {
      const port = await serve(channel.attestedServer({ client: victim.client }, (_, response) => response.end('in')));
      const sessions: Buffer[] = [];
      const first = connect({ host: '127.0.0.1', port, rejectUnauthorized: false });
      sockets.push(first);
      first.on('session', (session) => sessions.push(session));
      await once(first, 'secureConnect');
      first.write('GET / HTTP/1.1\r\nHost: a\r\n\r\n');
      await once(first, 'data');
      const session = sessions[0];
      const second = connect({ host: '127.0.0.1', port, rejectUnauthorized: false, ...(session && { session }) });
      sockets.push(second);
      second.on('error', () => undefined);
      await once(second, 'secureConnect');
      second.write('GET / HTTP/1.1\r\nHost: a\r\n\r\n');
      const answered = await Promise.race([
        once(second, 'data').then(() => true),
        once(second, 'close').then(() => false),
      ]);
      return answered && second.isSessionReused();
    };
    expect(await resumed(await build(weakTls({})))).toBe(true);
    expect(await resumed(await build())).toBe(false);
  });
});

describe('what is remembered', () => {
  const forgetful = (key: 'demands' | 'authority') => () =>
    vi.doMock('../../../lib/relying-party/channel/remembered.js', async (original) => {
      const module = await original<typeof import('../../../lib/relying-party/channel/remembered.js')>();
      class Careless<T> extends module.RememberedMachines<T> {
        override find(identity: Parameters<InstanceType<typeof module.RememberedMachines>['find']>[0]) {
          return super.find({ ...identity, [key]: 'any' });
        }
        override keep(...[identity, machine]: Parameters<InstanceType<typeof module.RememberedMachines<T>>['keep']>) {
          super.keep({ ...identity, [key]: 'any' }, machine);
        }
      }
      return { ...module, RememberedMachines: Careless };
    });

  it('outlives a change of policy where the policy is left out of its key, and not as it is', async () => {
    const attack = async (channel: Build): Promise<void> => {
      const port = await serve(channel.attestedServer({ client: victim.client, maxQuotesPerSecond: 1000 }));
      sockets.push(await channel.connectAttested(dialling(port, demands())));
      const stricter = { ...demands(), policy: { ...victim.demands.policy, minimumGuestSvn: 4_000_000_000 } };
      sockets.push(await channel.connectAttested(dialling(port, stricter)));
    };
    await attack(await build(forgetful('demands')));
    await expect(attack(await build())).rejects.toMatchObject({ code: 'ERR_POLICY' });
  });

  it('serves the same key under another host name where the name is left out, and not as it is', async () => {
    const attack = async (channel: Build): Promise<boolean | undefined> => {
      const port = await serve(channel.attestedServer({ client: victim.client, maxQuotesPerSecond: 1000 }));
      const same = demands();
      sockets.push(await channel.connectAttested(dialling(port, same)));
      const elsewhere = await channel.connectAttested({ ...dialling(port, same), host: 'localhost' });
      sockets.push(elsewhere);
      return elsewhere.attestation?.remembered;
    };
    expect(await attack(await build(forgetful('authority')))).toBe(true);
    expect(await attack(await build())).toBe(false);
  });

  it('is nothing of a machine whose key came from outside its process', async () => {
    const channel = await build();
    const tls = channel.makeOwnCertificate();
    const port = await serve(channel.attestedServer({ client: victim.client, tls, maxQuotesPerSecond: 1000 }));
    const same = demands();
    for (let round = 0; round < 2; round++) {
      const socket = await channel.connectAttested(dialling(port, same));
      expect(socket.attestation).toMatchObject({ remembered: false, keyBornThere: false });
      sockets.push(socket);
    }
  });
});

describe('a client that has not attested', () => {
  const openDoor = () =>
    vi.doMock('../../../lib/relying-party/channel/server-connection.js', async (original) => {
      const module = await original<typeof import('../../../lib/relying-party/channel/server-connection.js')>();
      class Open extends module.ServerConnection {
        override get admitted(): boolean {
          return true;
        }
      }
      return { ...module, ServerConnection: Open };
    });

  /** What of `head`, sent at once, reaches the application. */
  const reaches = async (channel: Build, head: string): Promise<string[]> => {
    const reached: string[] = [];
    const server = channel.attestedServer({ client: victim.client, clients: victim.demands }, (_, response) => {
      reached.push('request');
      response.end();
    });
    for (const event of ['checkContinue', 'checkExpectation']) {
      server.on(event, (_: unknown, response: { end(): void }) => {
        reached.push(event);
        response.end();
      });
    }
    for (const event of ['upgrade', 'connect']) {
      server.on(event, (_: unknown, socket: TLSSocket) => {
        reached.push(event);
        socket.end('HTTP/1.1 200 OK\r\n\r\n');
      });
    }
    const port = await serve(server);
    const socket = connect({ host: '127.0.0.1', port, rejectUnauthorized: false });
    sockets.push(socket);
    socket.on('error', () => undefined);
    await once(socket, 'secureConnect');
    socket.write(head);
    const [answer] = (await once(socket, 'data')) as [Buffer];
    if (reached.length === 0) expect(answer.toString()).toMatch(/^HTTP\/1\.1 403 .*ERR_CHANNEL_NOT_ATTESTED/s);
    return reached;
  };

  it.each([
    ['request', 'GET / HTTP/1.1\r\nHost: a\r\n\r\n'],
    ['checkContinue', 'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nExpect: 100-continue\r\n\r\n'],
    ['checkExpectation', 'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nExpect: another\r\n\r\n'],
    ['upgrade', 'GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n'],
    ['connect', 'CONNECT b:1 HTTP/1.1\r\nHost: b:1\r\n\r\n'],
  ])('reaches the application by %s where the gate is open, and never as it is', async (event, head) => {
    expect(await reaches(await build(openDoor), head)).toEqual([event]);
    expect(await reaches(await build(), head)).toEqual([]);
  });
});

describe('a peer that wears the TPM out', () => {
  const patient = () =>
    vi.doMock('../../../lib/relying-party/channel/attested-end.js', async (original) => {
      const module = await original<typeof import('../../../lib/relying-party/channel/attested-end.js')>();
      class Patient extends module.AttestedEnd {
        override isTooSoon(): boolean {
          return false;
        }
      }
      return { ...module, AttestedEnd: Patient };
    });

  const BATCH = 10;
  const STATUS = /HTTP\/1\.1 \d{3}/g;
  /** Quotes that `count` challenges on one connection cost. */
  const quotes = async (channel: Build, count: number): Promise<number> => {
    const machine = await startMachine();
    try {
      const port = await serve(channel.attestedServer({ client: machine.client, maxQuotesPerSecond: 1000 }));
      const socket = connect({ host: '127.0.0.1', port, rejectUnauthorized: false });
      sockets.push(socket);
      await once(socket, 'secureConnect');
      const body = channel.encodeAsk({ challenge: ZEROS });
      const question = `POST ${channel.CHANNEL_PATH} HTTP/1.1\r\nHost: a\r\nContent-Length: ${body.length}\r\n\r\n${body}`;
      let answers = 0;
      let good = 0;
      let rest = '';
      socket.setEncoding('latin1').on('data', (part: string) => {
        const text = rest + part;
        answers += text.match(STATUS)?.length ?? 0;
        good += text.match(/HTTP\/1\.1 200/g)?.length ?? 0;
        // Only what a status line cut in two could begin with is kept.
        rest = /H[TP/1. \d]*$/.exec(text)?.[0].replace(STATUS, '') ?? '';
      });
      for (let sent = BATCH; sent <= count; sent += BATCH) {
        socket.write(question.repeat(BATCH));
        while (answers < sent) await once(socket, 'data');
      }
      expect(answers).toBe(count);
      return good;
    } finally {
      await machine.stop();
    }
  };

  it('gets a quote for each of ten challenges where nobody counts, and one for ten thousand as it is', async () => {
    expect(await quotes(await build(patient), 10)).toBe(10);
    expect(await quotes(await build(), 10_000)).toBe(1);
  });
});

describe('an answer', () => {
  const receive = async (answer: string | Buffer | undefined, timeoutMs = 2000): Promise<void> => {
    const channel = await build();
    const port = await hostileServer(channel, async () => answer ?? new Promise(() => undefined));
    sockets.push(await channel.connectAttested({ ...dialling(port, demands()), timeoutMs }));
  };

  it.each<[string, string | Buffer | undefined, string]>([
    ['without evidence', http('{"version":1,"flags":1}'), 'ERR_CHANNEL_NO_EVIDENCE'],
    ['that never comes', undefined, 'ERR_CHANNEL_DEADLINE'],
    ['that stops half-way', 'HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{"version"', 'ERR_CHANNEL_DEADLINE'],
    ['of three megabytes', http(JSON.stringify({ version: 1, pad: ' '.repeat(3_000_000) })), 'ERR_CHANNEL_MESSAGE'],
    ['with an endless head', `HTTP/1.1 200 OK\r\nX: ${'a'.repeat(20_000)}`, 'ERR_CHANNEL_MESSAGE'],
    ['with two lengths', 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{}', 'ERR_CHANNEL_MESSAGE'],
    ['in chunks', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n', 'ERR_CHANNEL_MESSAGE'],
    ['of another protocol', Buffer.from('SSH-2.0-OpenSSH_9.2\r\n\r\n\r\n'), 'ERR_CHANNEL_MESSAGE'],
    ['with bytes behind it', `${http('{"version":1,"flags":1}')}HTTP/1.1 200 OK\r\n\r\n`, 'ERR_CHANNEL_EXTRA_BYTES'],
    ['that is busy', http('', '503 Service Unavailable'), 'ERR_CHANNEL_BUSY'],
    ['that refuses', http('{"error":{"code":"ERR_CHANNEL_REFUSED"}}', '403 Forbidden'), 'ERR_CHANNEL_REFUSED'],
    ['with undefined flags', http('{"version":1,"flags":4,"evidence":{}}'), 'ERR_CHANNEL_FLAGS'],
    ['with evidence that is none', http('{"version":1,"flags":0,"evidence":{"version":1}}'), 'ERR_CHANNEL_MESSAGE'],
  ])('%s ends the connection', async (_what, answer, code) => {
    await expect(receive(answer)).rejects.toMatchObject({ code });
  });

  it('is not waited for after the caller has aborted', async () => {
    const channel = await build();
    const port = await hostileServer(channel, () => new Promise(() => undefined));
    const controller = new AbortController();
    const pending = channel.connectAttested({ ...dialling(port, demands()), signal: controller.signal });
    setTimeout(() => controller.abort(), 50);
    await expect(pending).rejects.toMatchObject({ code: expect.anything() });
  });
});
