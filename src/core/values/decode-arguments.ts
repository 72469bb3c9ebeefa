import { typedArrayPrototype } from "./built-ins.js"
import { MAX_READABLE } from "./key-text.js"

// A key that hides nothing is a plain string at most, each unit of it written as \uXXXX.
const maxReadable = MAX_READABLE * 6 + 2
const word = /[\w$.+-]+/y
const quoted = /"(?:[^"\\]|\\.)*"/y

/**
 * The arguments that `encodeArguments` made this text of. Reads a little more than that writes: the caller encodes again
 * and compares. Throws anything for other texts.
 */
export function decodeArguments(text: string): unknown[] {
  return new Reader(text).arguments()
}

class Reader {
  readonly #text: string
  #position = 0

  constructor(text: string) {
    if (text.length > maxReadable) throw new RangeError("too long")
    this.#text = text
  }

  arguments(): unknown[] {
    const args = [this.#value()]
    while (this.#skip(",")) args.push(this.#value())
    return args
  }

  #value(): unknown {
    if (this.#text[this.#position] === '"') return this.#string()
    if (this.#skip("[")) return this.#list("]", () => this.#value())
    if (this.#skip("{")) return this.#object()
    const token = this.#match(word)
    if (this.#skip("(")) return this.#builtIn(token)
    switch (token) {
      case "true":
        return true
      case "false":
        return false
      case "null":
        return null
      case "undefined":
        return undefined
    }
    return /^-?\d+n$/.test(token) ? BigInt(token.slice(0, -1)) : Number(token)
  }

  #builtIn(name: string): unknown {
    switch (name) {
      case "Date":
        return this.#end(new Date(Number(this.#match(word))))
      case "URL":
        return this.#end(new URL(this.#string()))
      case "Set":
        return new Set(this.#list(")", () => this.#value()))
      case "Map":
        return new Map(
          this.#list(")", () => {
            const key = this.#value()
            return this.#skip("=>") ? [key, this.#value()] : this.#fail()
          }),
        )
      case "RegExp": {
        const [source, flags, position] = this.#list(")", () => this.#value())
        const expression = new RegExp(String(source), String(flags))
        if (typeof position === "number") expression.lastIndex = position
        return expression
      }
    }
    const bytes = Uint8Array.from(this.#text[this.#position] === ")" ? [] : this.#hexBytes())
    if (name === "ArrayBuffer") return this.#end(bytes.buffer)
    if (name === "DataView") return this.#end(new DataView(bytes.buffer))
    // Some globals begin to work when they are looked at.
    const global = /^\w+Array(?:BE)?$/.test(name) ? name.replace(/BE$/, "") : "none"
    const View: unknown = (globalThis as Record<string, unknown>)[global]
    const isTypedArray = typeof View === "function" && Object.getPrototypeOf(View) === typedArrayPrototype.constructor
    return isTypedArray ? this.#end(Reflect.construct(View, [bytes.buffer]) as unknown) : this.#fail()
  }

  #object(): unknown {
    // Without a prototype, so that `__proto__` is a name like any other.
    const object = Object.create(null) as Record<string, unknown>
    this.#list("}", () => {
      const name = this.#text[this.#position] === '"' ? this.#string() : this.#match(word)
      if (!this.#skip(":")) this.#fail()
      object[name] = this.#value()
    })
    return object
  }

  #list<T>(end: string, item: () => T): T[] {
    const items: T[] = []
    if (this.#skip(end)) return items
    do items.push(item())
    while (this.#skip(","))
    return this.#skip(end) ? items : this.#fail()
  }

  #string(): string {
    return JSON.parse(this.#match(quoted)) as string
  }

  #hexBytes(): number[] {
    const digits = this.#match(/(?:[\da-f]{2})+/y)
    return Array.from({ length: digits.length / 2 }, (_, index) => parseInt(digits.slice(index * 2, index * 2 + 2), 16))
  }

  #end<T>(value: T): T {
    return this.#skip(")") ? value : this.#fail()
  }

  #skip(text: string): boolean {
    if (!this.#text.startsWith(text, this.#position)) return false
    this.#position += text.length
    return true
  }

  #match(pattern: RegExp): string {
    pattern.lastIndex = this.#position
    const found = pattern.exec(this.#text)?.[0]
    if (found === undefined) return this.#fail()
    this.#position += found.length
    return found
  }

  #fail(): never {
    throw new SyntaxError(`unexpected text at ${this.#position}`)
  }
}
