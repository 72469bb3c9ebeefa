import "reflect-metadata"
import assert from "node:assert/strict"
import { after, before, beforeEach, describe, test } from "node:test"
import {
  type ArgumentMetadata,
  type ArgumentsHost,
  type CallHandler,
  type CanActivate,
  Catch,
  Controller,
  createParamDecorator,
  type ExceptionFilter,
  type ExecutionContext,
  Get,
  Header,
  HttpCode,
  Injectable,
  Module,
  type NestInterceptor,
  Param,
  ParseIntPipe,
  type PipeTransform,
  Post,
  Query,
  SetMetadata,
  UseFilters,
  UseGuards,
  UseInterceptors,
  UsePipes,
} from "@nestjs/common"
import { NestFactory, Reflector } from "@nestjs/core"
import type { NestExpressApplication } from "@nestjs/platform-express"
import { map } from "rxjs"
import * as zoocache from "zoocache"
import { cachedMethod } from "zoocache"

/** What ran, in its order. */
let ran: string[] = []

@Injectable()
class RoleGuard implements CanActivate {
  constructor(private readonly reflector: Reflector) {}

  canActivate(context: ExecutionContext): boolean {
    ran.push("guard")
    const role = this.reflector.get<string | undefined>("role", context.getHandler()) ?? "admin"
    return context.switchToHttp().getRequest().headers["x-role"] === role
  }
}

class Wrap implements NestInterceptor {
  intercept(_context: ExecutionContext, next: CallHandler) {
    ran.push("interceptor")
    return next.handle().pipe(map((value: object) => ({ ...value, wrapped: true })))
  }
}

class Doubled implements PipeTransform {
  transform(value: unknown, { metatype }: ArgumentMetadata): unknown {
    ran.push(`pipe ${metatype?.name}`)
    return Number(value) * 2
  }
}

@Catch()
class Teapot implements ExceptionFilter {
  catch(_error: unknown, host: ArgumentsHost): void {
    host.switchToHttp().getResponse().status(418).json({ short: "and stout" })
  }
}

const Locale = createParamDecorator((_data: unknown, context: ExecutionContext): string => {
  return context.switchToHttp().getRequest().headers["x-locale"] ?? "en"
})

/** The same controller with the decorator of a cache and of the default cache, above and below those of NestJS. */
function controllerOf(cacheable: zoocache.Cache["cacheable"]) {
  @Controller()
  class Users {
    loads = 0

    @Get("above/:id")
    @UseGuards(RoleGuard)
    @UseInterceptors(Wrap)
    @UsePipes(Doubled)
    @cacheable({ deps: (id: number) => [`user:${id}`] })
    async above(@Param("id") id: number) {
      ran.push("handler")
      return { id, load: ++this.loads }
    }

    @cacheable({ deps: (id: number) => [`user:${id}`] })
    @Get("below/:id")
    @UseGuards(RoleGuard)
    @UseInterceptors(Wrap)
    @UsePipes(Doubled)
    async below(@Param("id") id: number) {
      ran.push("handler")
      return { id, load: ++this.loads }
    }

    @Get("between/:id")
    @cacheable()
    @UseGuards(RoleGuard)
    @SetMetadata("role", "reader")
    async between(@Param("id", ParseIntPipe) id: number, @Query("page") page: string, @Locale() locale: string) {
      return { id, page, locale, load: ++this.loads }
    }

    @cacheable()
    @Post("created")
    @HttpCode(202)
    @Header("x-made-by", "nest")
    @UseFilters(Teapot)
    async created(@Query("fail") fail?: string) {
      if (fail !== undefined) throw new Error("as asked")
      return { load: ++this.loads }
    }
  }

  @Controller("derived")
  class Derived extends Users {}

  return { Users, Derived }
}

const own = zoocache.createCache()
after(async () => {
  await own.close()
  await zoocache.reset()
})

const both: [string, zoocache.Cache["cacheable"], zoocache.Cache["invalidate"]][] = [
  ["a cache", own.cacheable.bind(own) as zoocache.Cache["cacheable"], own.invalidate.bind(own)],
  ["the default cache", zoocache.cacheable as zoocache.Cache["cacheable"], zoocache.invalidate],
]

for (const [of, cacheable, invalidate] of both) {
  describe(`@cacheable of ${of} on handlers`, () => {
    let app: NestExpressApplication
    let url = ""
    const { Users, Derived } = controllerOf(cacheable)

    @Module({ controllers: [Users, Derived] })
    class App {}

    before(async () => {
      app = await NestFactory.create<NestExpressApplication>(App, { logger: false })
      await app.listen(0, "127.0.0.1")
      url = await app.getUrl()
    })
    after(() => app.close())
    beforeEach(() => {
      ran = []
    })

    const ask = async (path: string, headers: Record<string, string> = {}, method = "GET") => {
      const response = await fetch(`${url}/${path}`, { method, headers })
      return { status: response.status, headers: response.headers, body: await response.json() }
    }
    const admin = { "x-role": "admin" }

    for (const place of ["above", "below"]) {
      test(`the guard ${place} runs for every request, also for hits`, async () => {
        assert.equal((await ask(`${place}/1`)).status, 403)
        assert.equal((await ask(`${place}/1`, admin)).status, 200)
        assert.equal((await ask(`${place}/1`)).status, 403)
        assert.equal(ran.filter((what) => what === "handler").length, 1)
        assert.equal(ran.filter((what) => what === "guard").length, 3)
      })

      test(`the route, the interceptor and the pipe ${place} work, and the handler runs once`, async () => {
        const first = await ask(`${place}/21`, admin)
        const second = await ask(`${place}/21`, admin)
        assert.deepEqual(first.body, second.body)
        assert.deepEqual([first.body.id, first.body.wrapped], [42, true])
        const each = ["guard", "interceptor", "pipe Number"]
        assert.deepEqual(ran, [...each, "handler", ...each])
        await invalidate("user:42")
        assert.notDeepEqual((await ask(`${place}/21`, admin)).body, first.body)
      })

      test(`an inherited handler keeps its guard ${place}`, async () => {
        assert.equal((await ask(`derived/${place}/1`)).status, 403)
        assert.equal((await ask(`derived/${place}/1`, admin)).status, 200)
      })
    }

    test("metadata is found by the handler, and parameter decorators give the arguments", async () => {
      assert.equal((await ask("between/1?page=2", admin)).status, 403)
      const reader = { "x-role": "reader" }
      const english = await ask("between/1?page=2", reader)
      assert.deepEqual({ ...english.body, load: 0 }, { id: 1, page: "2", locale: "en", load: 0 })
      assert.deepEqual((await ask("between/1?page=2", reader)).body, english.body)
      const german = await ask("between/1?page=2", { ...reader, "x-locale": "de" })
      assert.equal(german.body.locale, "de")
      assert.equal((await ask("between/x", reader)).status, 400)
    })

    test("status, header and filter below work", async () => {
      const created = await ask("created", {}, "POST")
      assert.equal(created.status, 202)
      assert.equal(created.headers.get("x-made-by"), "nest")
      assert.equal((await ask("created?fail=1", {}, "POST")).status, 418)
    })

    test("cachedMethod reaches the entries of a controller", async () => {
      const users = app.get(Users)
      await ask("above/7", admin)
      const above = cachedMethod(users, "above")
      assert.equal(above.explain(14).state, "fresh")
      await above.delete(14)
      assert.equal(above.peek(14), undefined)
    })
  })
}
