const project = { transform: {}, testEnvironment: "node" }

module.exports = {
  projects: [
    { ...project, displayName: "default", testMatch: ["**/jest/{default,jsdom,ttl}.test.cjs"] },
    {
      ...project,
      displayName: "global",
      testMatch: ["**/jest/everywhere.test.cjs"],
      fakeTimers: { enableGlobally: true },
    },
  ],
}
