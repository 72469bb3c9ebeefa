import { enableSharing } from "../shared.js"

// A cache that is made of it shares a log, a store or a codec.
enableSharing()

export type { EntryCodec, EntryHeader, HeaderChange } from "../core/ports/codec.js"
export { type Codec, type CodecOptions, createCodec } from "./codec.js"
export type { ValueType } from "./user-types.js"
