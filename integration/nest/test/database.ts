import { Injectable } from "@nestjs/common"

/** A database that counts what is asked of it. */
@Injectable()
export class Database {
  readonly asked: string[] = []
  readonly #names = new Map<number, string>()

  async user(id: number): Promise<{ id: number; name: string }> {
    this.asked.push(`user ${id}`)
    return { id, name: this.#names.get(id) ?? `User ${id}` }
  }

  async rename(id: number, name: string): Promise<void> {
    this.#names.set(id, name)
  }

  async orders(tenant: string): Promise<string[]> {
    this.asked.push(`orders of ${tenant}`)
    return [`${tenant}-1`]
  }
}
