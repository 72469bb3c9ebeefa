/** See README.md. Prints a line for each check that failed, and `N passed, N failed` at the end. */
import { spawnSync } from "node:child_process"
import { existsSync, mkdirSync, readdirSync, readFileSync } from "node:fs"
import { createServer } from "node:http"
import { extname, join, normalize } from "node:path"
import { fileURLToPath } from "node:url"
import { chromium } from "playwright-core"

const here = fileURLToPath(new URL("./", import.meta.url))
const root = fileURLToPath(new URL("../../", import.meta.url))
const dist = join(root, "site", "dist")
const pictures = process.argv.includes("--pictures") ? join(here, "pictures") : undefined

let passed = 0
let failed = 0

/** @param {string} name @param {() => unknown} work */
async function check(name, work) {
  try {
    await work()
    passed++
  } catch (error) {
    failed++
    console.error(`FAILED  ${name}\n        ${error instanceof Error ? error.message : error}`)
  }
}

/** @param {string} command @param {string[]} args */
function run(command, args) {
  const { status, error } = spawnSync(command, args, { cwd: root, stdio: "inherit" })
  if (status !== 0)
    throw new Error(`${command} ${args.join(" ")} failed${error === undefined ? "" : `: ${error.message}`}`)
}

function findChromium() {
  const named = process.env["CHROMIUM"]
  if (named !== undefined) return named
  const look = () => ["chromium", "chromium-browser", "google-chrome"].map(inPath).find((path) => path !== undefined)
  const found = look()
  if (found !== undefined) return found
  if (process.getuid?.() === 0 && inPath("apt-get") !== undefined) {
    run("apt-get", ["install", "-y", "--no-install-recommends", "chromium"])
  }
  const installed = look()
  if (installed === undefined) throw new Error("There is no Chromium: install one, or give its path in CHROMIUM")
  return installed
}

/** @param {string} name */
function inPath(name) {
  const folders = (process.env["PATH"] ?? "").split(":")
  return folders.map((folder) => join(folder, name)).find((path) => existsSync(path))
}

const types = /** @type {Record<string, string>} */ ({
  ".html": "text/html; charset=utf-8",
  ".js": "text/javascript",
  ".mjs": "text/javascript",
  ".css": "text/css",
  ".json": "application/json",
  ".svg": "image/svg+xml",
  ".woff2": "font/woff2",
})

/** The site as any server of files serves it. */
const server = createServer((request, response) => {
  const { pathname } = new URL(request.url ?? "/", "http://localhost")
  const path = normalize(decodeURIComponent(pathname))
  const file = join(dist, path.endsWith("/") ? `${path}index.html` : path)
  if (!file.startsWith(dist) || !existsSync(file)) return void response.writeHead(404).end()
  response.setHeader("content-type", types[extname(file)] ?? "application/octet-stream")
  return void response.end(readFileSync(file))
})

if (!process.argv.includes("--built")) run("npm", ["run", "--silent", "site"])
await new Promise((resolve) => server.listen(0, "127.0.0.1", () => resolve(undefined)))
const address = server.address()
if (address === null || typeof address === "string") throw new Error("The server has no port")
const origin = `http://127.0.0.1:${address.port}`
const browser = await chromium.launch({ executablePath: findChromium(), args: ["--no-sandbox"] })

const paths = readdirSync(dist, { recursive: true, encoding: "utf8" })
  .map((path) => path.replaceAll("\\", "/"))
  .filter((path) => path.endsWith(".html") && path !== "404.html")

for (const width of [1280, 390]) {
  const context = await browser.newContext({ viewport: { width, height: 800 } })
  const page = await context.newPage()
  /** @type {string[]} */
  const complaints = []
  page.on("console", (message) => {
    if (message.type() === "error" || message.type() === "warning") complaints.push(message.text())
  })
  page.on("pageerror", (error) => complaints.push(error.message))
  page.on("response", (response) => {
    if (response.status() >= 400) complaints.push(`${response.status()} ${response.url()}`)
  })
  for (const path of paths) {
    await check(`${path} at ${width} px`, async () => {
      complaints.length = 0
      await page.goto(`${origin}/${path}`, { waitUntil: "load" })
      await page.waitForSelector("h1", { state: "attached" })
      // A diagram is text until it is drawn.
      await page.waitForFunction(() => document.querySelector("pre.diagram:not(.broken)") === null)
      const wide = await page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth)
      if (wide > 0) throw new Error(`it is ${wide} px wider than the window`)
      if (complaints.length > 0) throw new Error(complaints.join("; "))
    })
  }
  await check(`search finds "invalidate" at ${width} px`, async () => {
    await page.goto(`${origin}/`)
    await page.click(".VPNavBarSearch button")
    await page.fill(".VPLocalSearchBox input", "invalidate")
    await page.waitForSelector(".VPLocalSearchBox .result")
    const titles = await page.locator(".VPLocalSearchBox .result").allTextContents()
    if (!titles.some((title) => /invalidat/i.test(title))) throw new Error(`found only ${titles.join(", ")}`)
    await page.keyboard.press("ArrowDown")
    await page.keyboard.press("Enter")
    await page.waitForFunction(() => location.pathname !== "/")
  })
  await check(`dark mode at ${width} px`, async () => {
    await page.goto(`${origin}/`)
    const colour = () => page.evaluate(() => getComputedStyle(document.body).backgroundColor)
    const light = await colour()
    if (width < 768) await page.click(".VPNavBarHamburger")
    await page.locator(".VPSwitchAppearance:visible").first().click()
    await page.waitForFunction(() => document.documentElement.classList.contains("dark"))
    await page.waitForFunction((before) => getComputedStyle(document.body).backgroundColor !== before, light)
    await page.reload()
    await page.waitForFunction(() => document.documentElement.classList.contains("dark"))
  })
  if (pictures !== undefined) {
    mkdirSync(pictures, { recursive: true })
    for (const scheme of /** @type {const} */ (["dark", "light"])) {
      await page.evaluate((value) => localStorage.setItem("vitepress-theme-appearance", value), scheme)
      for (const [name, path] of [
        ["first", "/"],
        ["invalidation", "/docs/invalidation.html"],
      ]) {
        await page.goto(`${origin}${path}`)
        await page.waitForFunction(() => document.querySelector("pre.diagram") === null)
        await page.screenshot({ path: join(pictures, `${name}-${width}-${scheme}.png`) })
      }
    }
  }
  await context.close()
}

await browser.close()
server.close()
console.log(`${passed} passed, ${failed} failed`)
process.exitCode = failed === 0 ? 0 : 1
