/** The program of a process that stops itself in the middle of a write transaction of the data file it is given. */
import { open } from "lmdb"

const [file = ""] = process.argv.slice(2)
const database = open({ path: file, noSubdir: true, encoding: "binary", keyEncoding: "binary", overlappingSync: false })

database.transactionSync(() => {
  process.kill(process.pid, "SIGSTOP")
})
await database.close()
