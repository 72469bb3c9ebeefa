const loadCrypto = () => process.getBuiltinModule("node:crypto")

let crypto: ReturnType<typeof loadCrypto> | undefined

/**
 * The digest of a text or of bytes, by a hash that no attacker can collide.
 *
 * Node's `crypto` is loaded for the first one: it takes milliseconds of a start, and few programs have keys so long. An
 * `import` can't be put off, and ES modules have no `require`.
 */
export function digest(
  algorithm: "sha256" | "sha512",
  content: string | Uint8Array,
  encoding: "hex" | "base64url",
): string {
  crypto ??= loadCrypto()
  return crypto.createHash(algorithm).update(content).digest(encoding)
}
