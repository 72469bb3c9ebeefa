export type { EntryCodec, EntryHeader, HeaderChange } from "../core/ports/codec.js"
export { type Codec, type CodecOptions, createCodec } from "./codec.js"
export type { ValueType } from "./user-types.js"
