import '../node/advice.js';

export type { Cache, FetchLock } from '../base/cache.js';
export { type MemoryCacheOptions, memoryCache } from '../base/memory-cache.js';
export { fileCache } from '../node/file-cache.js';
export { createKeyBroker } from './broker/create-key-broker.js';
export { type EvidenceSource, KeyBrokerClient, type KeyBrokerClientOptions } from './broker/key-broker-client.js';
export type { ChainSource, KeyBrokerOptions, ResourcePolicy } from './broker/options.js';
export type { ResourcePath } from './broker/protocol.js';
export type { RecipientJwk } from './broker/recipient-key.js';
export { type SharedKeySetsOptions, sharedKeySets } from './cache/key-sets.js';
export { type RedisCacheOptions, redisCache } from './cache/redis.js';
export { challengeBytes } from './challenge-format.js';
export { type ChallengeOptions, type Challenges, type CheckedChallenge, createChallenges } from './challenges.js';
export type { RedirectingAnswer } from './channel/attested-dispatcher.js';
export {
  type AttestedDispatcherOptions,
  attestedDispatcher,
  type UndiciLike,
} from './channel/attested-dispatcher.js';
export { type AttestedServerOptions, attestedServer, attestedTlsServer } from './channel/attested-server.js';
export type { ChannelTlsOptions } from './channel/channel-options.js';
export { type ConnectAttestedOptions, connectAttested, connectAttestedHttp2 } from './channel/connect-attested.js';
export { CHANNEL_REFUSALS, type ChannelErrorCode } from './channel/errors.js';
export type { ChannelRequest } from './channel/gate.js';
export type { ChannelAttestation, PeerDemands } from './channel/peer-verifier.js';
export type { ChannelRole } from './channel/protocol.js';
export type { VerificationEvent } from './diagnostics.js';
export type { ChannelAttestation as RequestChannel } from './guards/channel.js';
export { type CheckRequestOptions, checkRequest, type GuardOptions } from './guards/check-request.js';
export {
  type FastifyAttestation,
  type FastifyAttestationOptions,
  type FastifyInstanceLike,
  type FastifyReplyLike,
  type FastifyRequestLike,
  fastifyAttestation,
} from './guards/fastify.js';
export { attestationFetchGuard, type FetchGuard, type FetchGuardOptions } from './guards/fetch-guard.js';
export { type ForwardAuthOptions, forwardAuth, IDENTITY_HEADERS } from './guards/forward-auth.js';
export type { ExpectHook } from './guards/node-guard.js';
export {
  type AdapterOptions,
  type AttestationGuard,
  type NodeRequest,
  type NodeResponse,
  type RequireAttestationOptions,
  requireAttestation,
} from './guards/node-guard.js';
export type { ProofOfPossessionOptions } from './guards/possession.js';
export { REQUEST_REFUSALS, RefusedRequest, type RequestRefusalCode } from './guards/refused-request.js';
export type { RequestHeaders } from './guards/request-headers.js';
export { attestationOf, type RefusalHook } from './guards/request-observer.js';
export type { ProvenClaims } from './proven-claims.js';
export { CHALLENGE_REFUSALS, type ChallengeErrorCode } from './refusals.js';
export { nodeListener, type WebHandler } from './server/node-listener.js';
export { type ServedRequests, type ServeOptions, type ServerTls, serveRequests } from './server/serve-requests.js';
export { type MemoryReplayStoreOptions, memoryReplayStore } from './stores/memory.js';
export {
  type PostgresPool,
  type PostgresReplayStoreOptions,
  postgresReplayStore,
  postgresReplayTable,
} from './stores/postgres.js';
export { type RedisReplayStoreOptions, redisReplayStore } from './stores/redis.js';
export type { IoRedisClient, NodeRedisClient, RedisClient } from './stores/redis-client.js';
export type { ReplayStore } from './stores/replay-store.js';
export { createVerifierService, type VerifierService } from './verifier/create-verifier-service.js';
export type { VerifierServiceOptions } from './verifier/options.js';
export type { SigningKeyInput } from './verifier/signing-keys.js';
