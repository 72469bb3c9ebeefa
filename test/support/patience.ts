/**
 * Options for tests in which nothing is to be given up: what takes long on a slow machine is waited for. By default a read
 * of an entry that takes a quarter of a second is a miss, and a log that is silent for some seconds is not trusted.
 */
const LONG_MS = 60_000

export const patientCache = { ackTimeout: LONG_MS, staleness: { bound: LONG_MS } } as const

/** For `redis({ … })`. */
export const patientRedis = { readTimeout: LONG_MS, replyTimeout: LONG_MS, connectTimeout: LONG_MS } as const
