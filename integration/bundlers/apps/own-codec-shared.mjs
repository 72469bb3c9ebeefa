import "zoocache/backend"
import "./own-codec.mjs"
