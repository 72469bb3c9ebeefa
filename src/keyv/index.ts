export { type KeyvItem, type KeyvStore, keyvStore, type KeyvStoreOptions } from "./keyv-store.js"
