/** `--chaos`: what happens to a fleet in a year, in seconds. What was stopped or killed here is brought back here. */
import { setTimeout } from "node:timers/promises"
import { type Random, seededRandom, wholeNumber } from "./random.js"
import type { RedisServer } from "./redis-server.js"

/** A server process that can stand still. */
export interface Pausable {
  pause(): void
  resume(): void
}

/** How often each thing was done. */
export interface ChaosCounts {
  redisKilled: number
  subscribersDropped: number
  redisPaused: number
  nodesPaused: number
}

export interface Chaos {
  /** Brings everything back. Rejects where that was not possible. */
  stop(): Promise<ChaosCounts>
}

export interface ChaosOptions {
  readonly redis: RedisServer
  readonly nodes: readonly Pausable[]
  readonly seed: number
  readonly onEvent: (text: string) => void
}

/** Redis and the nodes have troubles of their own, at the same time. */
export function startChaos({ redis, nodes, seed, onEvent }: ChaosOptions): Chaos {
  const counts: ChaosCounts = { redisKilled: 0, subscribersDropped: 0, redisPaused: 0, nodesPaused: 0 }
  const beganMs = performance.now()
  const tell = (text: string) => onEvent(`${((performance.now() - beganMs) / 1000).toFixed(1).padStart(5)} s  ${text}`)
  const stopping = new AbortController()
  const { signal } = stopping
  const wait = (ms: number) => setTimeout(ms, undefined, { signal }).catch(() => {})

  const killRedis = async (ms: number) => {
    tell(`kill -9 of Redis; back after ${ms} ms`)
    counts.redisKilled += 1
    await redis.kill()
    await wait(ms)
    await redis.restart()
  }
  const dropSubscribers = async () => {
    const dropped = await redis.dropSubscribers()
    tell(`CLIENT KILL TYPE pubsub: ${dropped} connections dropped`)
    counts.subscribersDropped += dropped
  }
  const pauseRedis = async (ms: number) => {
    tell(`SIGSTOP of Redis for ${ms} ms`)
    counts.redisPaused += 1
    await pause(redis, ms)
  }
  const pauseNode = async (ms: number, random: Random) => {
    const index = wholeNumber(random, nodes.length)
    tell(`SIGSTOP of node ${index + 1} for ${ms} ms`)
    counts.nodesPaused += 1
    await pause(nodes[index] as Pausable, ms)
  }
  const pause = async (whom: Pausable, ms: number) => {
    whom.pause()
    try {
      await wait(ms)
    } finally {
      whom.resume()
    }
  }

  type Trouble = (ms: number, random: Random) => Promise<void>
  const inTurns = async (troubles: readonly Trouble[], random: Random) => {
    for (let turn = 0; ; turn += 1) {
      // The first round is quick, so that a short run has some of each. Later troubles may outlast what anybody waits for,
      // and leave time to recover from them.
      const isQuick = turn < 3
      await wait(isQuick ? 200 + wholeNumber(random, 500) : 1000 + wholeNumber(random, 1500))
      if (signal.aborted) return
      const ms = isQuick ? 200 + wholeNumber(random, 400) : 300 + wholeNumber(random, 3200)
      await troubles[turn % troubles.length]?.(ms, random)
    }
  }
  const running = Promise.all([
    inTurns([killRedis, dropSubscribers, pauseRedis], seededRandom(seed)),
    inTurns([pauseNode], seededRandom(seed + 1)),
  ])
  // Told by `stop`.
  running.catch(() => {})

  return {
    stop: async () => {
      stopping.abort()
      await running
      return counts
    },
  }
}
