/** A stand-in for the package reflect-metadata, for as long as `run` takes; the package itself is in `integration/nest`. */
type Noted = Map<unknown, unknown>

export interface Metadata {
  defineMetadata(key: unknown, value: unknown, target: object): void
  getOwnMetadata(key: unknown, target: object): unknown
  getOwnMetadataKeys(target: object): unknown[]
  getMetadata(key: unknown, target: object): unknown
  getMetadataKeys(target: object): unknown[]
}

export async function withReflectMetadata(run: (metadata: Metadata) => Promise<void>): Promise<void> {
  const noted = new WeakMap<object, Noted>()
  const chain = (target: object): object[] => {
    const parent = Object.getPrototypeOf(target) as object | null
    return parent === null ? [target] : [target, ...chain(parent)]
  }
  const metadata: Metadata = {
    defineMetadata: (key, value, target) => {
      noted.set(target, (noted.get(target) ?? new Map<unknown, unknown>()).set(key, value))
    },
    getOwnMetadata: (key, target) => noted.get(target)?.get(key),
    getOwnMetadataKeys: (target) => [...(noted.get(target)?.keys() ?? [])],
    getMetadata: (key, target) => {
      const holder = chain(target).find((each) => noted.get(each)?.has(key))
      return holder && noted.get(holder)?.get(key)
    },
    getMetadataKeys: (target) => [...new Set(chain(target).flatMap((each) => [...(noted.get(each)?.keys() ?? [])]))],
  }
  Object.assign(Reflect, metadata)
  try {
    await run(metadata)
  } finally {
    for (const name of Object.keys(metadata)) Reflect.deleteProperty(Reflect, name)
  }
}
