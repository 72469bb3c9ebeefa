// Reads from a data file and stops with its snapshot, so that nothing that is freed can be used again.
import { writeSync } from "node:fs"
import { open } from "lmdb"

const database = open({ path: process.argv[2], encoding: "binary", keyEncoding: "binary", readOnly: true })
database.getBinary(Buffer.of(1))
writeSync(1, "held\n")
process.kill(process.pid, "SIGSTOP")
process.exit(0)
