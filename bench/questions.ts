import type { Question } from "./harness/question.js"
import { callers } from "./questions/callers.js"
import { codec } from "./questions/codec.js"
import { dependencies } from "./questions/dependencies.js"
import { fleet } from "./questions/fleet.js"
import { growth } from "./questions/growth.js"
import { hit } from "./questions/hit.js"
import { hitRatio } from "./questions/hit-ratio.js"
import { invalidation } from "./questions/invalidation.js"
import { lmdbHit } from "./questions/lmdb-hit.js"
import { lmdbInvalidation } from "./questions/lmdb-invalidation.js"
import { lmdbProcesses } from "./questions/lmdb-processes.js"
import { memory } from "./questions/memory.js"
import { operations } from "./questions/operations.js"
import { original } from "./questions/original.js"
import { originalOnLmdb } from "./questions/original-lmdb.js"
import { originalOnRedis } from "./questions/original-redis.js"
import { redisCallers } from "./questions/redis-callers.js"
import { redisHit } from "./questions/redis-hit.js"
import { redisInvalidation } from "./questions/redis-invalidation.js"
import { unrelated } from "./questions/unrelated.js"

export const questions: readonly Question[] = [
  hit,
  dependencies,
  unrelated,
  invalidation,
  callers,
  growth,
  memory,
  hitRatio,
  operations,
  codec,
  lmdbHit,
  lmdbInvalidation,
  lmdbProcesses,
  redisHit,
  redisInvalidation,
  redisCallers,
  fleet,
  original,
  originalOnLmdb,
  originalOnRedis,
]
