import type { Reporter, SerializedError, TestModule } from "vitest/node"

/** Prints `123 passed, 0 failed` alone on the last line, which is what continuous integration looks for. */
export default class ClosingLineReporter implements Reporter {
  #line: string | undefined

  onInit(): void {
    // At exit, so that nothing another reporter prints comes after it.
    process.once("exit", () => {
      if (this.#line !== undefined) process.stdout.write(`${this.#line}\n`)
    })
  }

  onTestRunEnd(modules: readonly TestModule[], unhandledErrors: readonly SerializedError[]): void {
    let passed = 0
    let skipped = 0
    let failed = unhandledErrors.length
    for (const module of modules) {
      for (const test of module.children.allTests()) {
        const { state } = test.result()
        if (state === "passed") passed++
        else if (state === "skipped") skipped++
        else failed++
      }
      // A file that could not be loaded, or whose hooks threw, has no failed test of its own.
      failed += module.errors().length
      for (const suite of module.children.allSuites()) failed += suite.errors().length
    }
    this.#line = `${passed} passed, ${failed} failed${skipped === 0 ? "" : `, ${skipped} skipped`}`
  }
}
