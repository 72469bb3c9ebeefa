/** What the examples of the docs take as given: a database, templates, a request. */

interface User {
  readonly id: number
  readonly name: string
  readonly org: number
}

interface Order {
  readonly id: number
  readonly customerId: number
  readonly isOpen: boolean
}

class Database {
  readonly #users = new Map<number, User>()

  user(id: number): Promise<User> {
    return Promise.resolve(this.#users.get(id) ?? { id, name: "Ada", org: 7 })
  }

  async usersById(ids: readonly number[]): Promise<Map<number, User>> {
    const found = await Promise.all(ids.filter((id) => id !== 2).map((id) => this.user(id)))
    return new Map(found.map((user) => [user.id, user]))
  }

  userIds(_org: number): Promise<number[]> {
    return Promise.resolve([41, 42])
  }

  async rename(id: number, name: string): Promise<void> {
    this.#users.set(id, { ...(await this.user(id)), name })
  }

  title(id: number, locale = "en"): Promise<string> {
    return Promise.resolve(`title ${id} (${locale})`)
  }

  order(id: number, _options?: { readonly signal: AbortSignal | undefined }): Promise<Order> {
    return Promise.resolve({ id, customerId: 7, isOpen: id % 2 === 0 })
  }

  report(month: string): Promise<string> {
    return Promise.resolve(`report of ${month}`)
  }

  prices(): Promise<readonly number[]> {
    return Promise.resolve([1, 2, 3])
  }
}

function render(what: unknown): string {
  return `<main>${JSON.stringify(what)}</main>`
}

function compile(source: string): { readonly source: string } {
  return { source }
}

/** A page that is there, without a network. */
function get(_url: string, _init?: RequestInit): Promise<Response> {
  return Promise.resolve(new Response("hello"))
}

function check(value: unknown, said: unknown, at: string): void {
  if (Object.is(value, said)) return
  throw new Error(`${at}: the page says ${JSON.stringify(said)}, and it is ${JSON.stringify(value)}`)
}

declare global {
  var db: Database
  var render: (what: unknown) => string
  var compile: (source: string) => { readonly source: string }
}

/** Makes everything anew, for the next example. */
export function setUp(): void {
  Object.assign(globalThis, { db: new Database(), render, compile, fetch: get, __check: check })
}
