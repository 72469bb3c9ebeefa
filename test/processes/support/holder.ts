/**
 * The program of a process that stands still in the middle of a write transaction of the data file it is given: stopped
 * by itself, or asleep until it is killed.
 */
import { open } from "lmdb"

const [file = "", how = "stopped"] = process.argv.slice(2)
const database = open({ path: file, noSubdir: true, encoding: "binary", keyEncoding: "binary", overlappingSync: false })

database.transactionSync(() => {
  if (how === "stopped") process.kill(process.pid, "SIGSTOP")
  else {
    process.send?.("holds")
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0)
  }
})
await database.close()
