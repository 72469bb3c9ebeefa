import type { Question } from "./harness/question.js"
import { callers } from "./questions/callers.js"
import { dependencies } from "./questions/dependencies.js"
import { hit } from "./questions/hit.js"
import { hitRatio } from "./questions/hit-ratio.js"
import { invalidation } from "./questions/invalidation.js"
import { memory } from "./questions/memory.js"
import { operations } from "./questions/operations.js"
import { original } from "./questions/original.js"
import { unrelated } from "./questions/unrelated.js"

export const questions: readonly Question[] = [
  hit,
  dependencies,
  unrelated,
  invalidation,
  callers,
  memory,
  hitRatio,
  operations,
  original,
]
