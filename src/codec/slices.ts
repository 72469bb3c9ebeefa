type Slice = (this: Uint8Array, start: number, end: number) => string

interface Slices {
  readonly latin1Slice: Slice
  readonly utf8Slice: Slice
  readonly ucs2Slice: Slice
}

/** Methods of every Buffer; taken from the prototype they work on any Uint8Array and skip the checks of `toString`. */
export const { latin1Slice, utf8Slice, ucs2Slice } = Buffer.prototype as unknown as Slices
