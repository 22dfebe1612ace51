export type { Cache, FetchLock } from '../base/cache.js';
export { type MemoryCacheOptions, memoryCache } from '../base/memory-cache.js';
export { fileCache } from '../node/file-cache.js';
export { type RedisCacheOptions, redisCache } from './cache/redis.js';
export { challengeBytes } from './challenge-format.js';
export { type ChallengeOptions, type Challenges, type CheckedChallenge, createChallenges } from './challenges.js';
export { CHALLENGE_REFUSALS, type ChallengeErrorCode } from './refusals.js';
export {
  type AttestationGuard,
  attestationOf,
  type RequireAttestationOptions,
  requireAttestation,
} from './require-attestation.js';
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
