import { checkBacking } from "../options/backing-options.js"
import { openBacking } from "./shared-backing.js"
import type { SharedParts } from "./shared-parts.js"

export const allSharedParts: SharedParts = { checkBacking, openBacking }
