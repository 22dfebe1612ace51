import type { IncomingMessage } from 'node:http';
import { invalid } from '../../base/options.js';
import { type AdapterOptions, adapter, type NodeRequest, requestView } from './node-guard.js';
import type { RefusedRequest } from './refused-request.js';
import { rememberAttestation } from './request-observer.js';

/** A request of Fastify, as far as it is used. */
export interface FastifyRequestLike {
  readonly raw: NodeRequest;
}

/** A reply of Fastify, as far as it is used. */
export interface FastifyReplyLike {
  code(status: number): unknown;
  header(name: string, value: string): unknown;
  send(body: string): unknown;
}

/** A Fastify instance, as far as it is used. */
export interface FastifyInstanceLike {
  addHook(name: 'onRequest', hook: unknown): unknown;
}

export type FastifyAttestationOptions = AdapterOptions<FastifyRequestLike>;

/** A hook for `onRequest` and the like, and a plugin: `register` guards every route of the instance with it. */
export interface FastifyAttestation {
  (request: FastifyRequestLike, reply: FastifyReplyLike): Promise<unknown>;
  (instance: FastifyInstanceLike, options: object): Promise<void>;
}

/**
 * Guards routes of Fastify, by `app.addHook('onRequest', fastifyAttestation(options))`, as `onRequest` of one route, or by
 * `app.register(fastifyAttestation(options))` for all. Works with `inject()`. `attestationOf(request)` tells the claims.
 *
 * @throws {AttestationError} 8 when the options are wrong.
 */
export function fastifyAttestation(options: FastifyAttestationOptions): FastifyAttestation {
  const { guard, expect, report } = adapter<FastifyRequestLike>('fastifyAttestation', options);
  const hook = async (request: FastifyRequestLike, reply: FastifyReplyLike): Promise<unknown> => {
    try {
      const claims = await guard.check(requestView(request.raw), expect && (() => expect(request)));
      rememberAttestation(claims, request, request.raw);
      return undefined;
    } catch (error) {
      const refusal = error as RefusedRequest;
      report(refusal, request);
      if (refusal.code === 'ERR_INTERNAL') throw refusal.cause;
      for (const [name, value] of Object.entries(refusal.headers)) reply.header(name, value);
      reply.code(refusal.status);
      return reply.send(refusal.body);
    }
  };
  const both = (one: unknown, other: unknown): Promise<unknown> => {
    if (isInstance(one)) {
      one.addHook('onRequest', hook);
      return Promise.resolve();
    }
    if (!isRequest(one) || !isReply(other)) {
      throw invalid('fastifyAttestation(options) is a hook or plugin of Fastify: elsewhere use requireAttestation');
    }
    return hook(one, other);
  };
  // Without it the hook would guard only what is registered inside the plugin itself, which is nothing.
  return Object.assign(both, { [Symbol.for('skip-override')]: true }) as FastifyAttestation;
}

function isInstance(value: unknown): value is FastifyInstanceLike {
  return typeof (value as Partial<FastifyInstanceLike> | null)?.addHook === 'function';
}

function isRequest(value: unknown): value is FastifyRequestLike {
  const raw: unknown = (value as Partial<FastifyRequestLike> | null)?.raw;
  return Array.isArray((raw as Partial<IncomingMessage> | undefined)?.rawHeaders);
}

function isReply(value: unknown): value is FastifyReplyLike {
  const reply = value as Partial<FastifyReplyLike> | null;
  return [reply?.code, reply?.header, reply?.send].every((method) => typeof method === 'function');
}
