export default { test: { include: ["vitest/**/*.test.mjs"], testTimeout: 20_000 } }
