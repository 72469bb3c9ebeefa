/** Bytes that share no memory with the given ones. */
export function copyBytes(bytes: Uint8Array): Uint8Array {
  // Not `slice`, which of a Buffer is a view; and lmdb-js hands out arrays whose own `length` is shorter than their memory.
  return new Uint8Array(bytes.subarray(0, bytes.length))
}
