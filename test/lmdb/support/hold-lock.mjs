// Takes the write lock of a data file and stops, as under a debugger. Goes on, and ends, when it is continued.
import { writeSync } from "node:fs"
import { open } from "lmdb"

const database = open({ path: process.argv[2], encoding: "binary", keyEncoding: "binary", noSync: true })
database.transactionSync(() => {
  writeSync(1, "held\n")
  process.kill(process.pid, "SIGSTOP")
})
process.exit(0)
