const root = process.env.APP_ROOT

export default {
  serverExternalPackages: process.env.APP_EXTERNAL === "1" ? ["zoocache"] : [],
  outputFileTracingRoot: root,
  turbopack: { root },
  devIndicators: false,
}
