/** Runs scenarios one after the other, in a process where a faked clock stops no runner. */
exports.run = async (of, list) => {
  const print = console.log
  let failed = 0
  let at = list[0][0]
  process.on("exit", () => {
    if (at === undefined) return
    print(`not ok: ${at}: it waits for what never comes`)
    print("# passed 0 failed 1")
    process.exitCode = 1
  })
  print(of)
  for (const [name, run] of list) {
    at = name
    try {
      await run()
      print(`ok: ${name}`)
    } catch (error) {
      failed += 1
      print(`not ok: ${name}: ${error.stack}`)
    }
  }
  at = undefined
  print(`# passed ${list.length - failed} failed ${failed}`)
  process.exitCode = failed === 0 ? 0 : 1
}
