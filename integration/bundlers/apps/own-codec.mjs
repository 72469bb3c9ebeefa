import { createCache } from "zoocache"
import { run } from "./checks.mjs"

/** A codec by the user, of which nothing is imported from the package. */
const codec = {
  encode: (header, value) => new TextEncoder().encode(JSON.stringify([header, value])),
  decodeHeader: (bytes) => JSON.parse(new TextDecoder().decode(bytes))[0],
  decodeValue: (bytes) => JSON.parse(new TextDecoder().decode(bytes))[1],
  amend: () => {},
}

run(async () => {
  await createCache({ codec, strict: true }).close()
})
