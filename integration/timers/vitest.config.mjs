export default {
  test: { include: ["{vitest,build/vitest}/**/*.test.{mjs,ts}"], exclude: ["node_modules"], testTimeout: 20_000 },
}
