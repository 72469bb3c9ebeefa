import { oncePerProcess } from "../base/process-wide.js"
import type { Backend } from "./backend.js"

/** The URLs that a backend is made of; each has a scheme that the backend has registered for. */
export interface BackendUrls {
  /** Undefined: entries stay in memory, and only invalidations are shared. */
  readonly storageUrl: string | undefined
  /** Undefined: invalidations go where the entries go. */
  readonly busUrl: string | undefined
}

/** @throws InvalidOptionError, ConfigurationError */
export type BackendOfUrls = (urls: BackendUrls) => Backend

/**
 * By scheme, such as `redis`. Of the process and not of this copy: a bundle may hold the core, while a backend that it leaves
 * outside registers with the copy that it was installed with.
 */
const makers = () => oncePerProcess("backends of URLs", 1, () => new Map<string, BackendOfUrls>())

/** Makes URLs of these schemes known; a backend calls it as it is imported. Once more is fine. */
export function registerBackend(schemes: readonly string[], make: BackendOfUrls): void {
  for (const scheme of schemes) makers().set(scheme, make)
}

/** Undefined where no backend for the scheme was imported so far. */
export function registeredBackend(scheme: string): BackendOfUrls | undefined {
  return makers().get(scheme)
}
