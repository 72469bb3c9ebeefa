import { createRequire } from "node:module"

export interface RawDatabase {
  putSync(key: Buffer, value: Buffer): void
  getBinary(key: Buffer): Buffer
  removeSync(key: Buffer): void
  getKeys(range: { readonly start: Buffer; readonly end: Buffer }): Iterable<Buffer>
  getKeysCount(range: { readonly start: Buffer; readonly end: Buffer }): number
  resetReadTxn(): void
  close(): Promise<void>
}

/** A data file as any program has it. */
export function openRaw(path: string): RawDatabase {
  const { open } = createRequire(import.meta.url)("lmdb") as { open: (options: object) => RawDatabase }
  return open({ path, encoding: "binary", keyEncoding: "binary", noSync: true, overlappingSync: false })
}
