"""The Python side of `npm run bench -- --original`.

    original.py SYSTEM ROUND_MS FOLDER

For each line on standard input it runs one round of everything that SYSTEM can do, in memory (diskcache and zoocache-lmdb:
in FOLDER; zoocache-redis: on the server at FOLDER, a url), and answers with one line of JSON: microseconds per operation. Names as in bench/questions/operations.ts.
"""

import asyncio
import json
import os
import sys
import time

KEYS = 10_000
CALLERS = 10_000
HOUR = 3600
VALUE = {"id": 1, "name": "user"}
SYSTEM, ROUND_MS, FOLDER = sys.argv[1], float(sys.argv[2]), sys.argv[3]
if SYSTEM == "zoocache-redis":
    # Each costs a round trip.
    KEYS = 1000

keys = [f"key:{number}" for number in range(KEYS)]
tags = [f"user:{number}" for number in range(KEYS)]
counts: dict[str, int] = {}
# Ids that nobody has asked for yet.
fresh = 1_000_000


def fresh_ids(count):
    global fresh
    fresh += count
    return range(fresh - count, fresh)


def timed(work):
    """As in bench/harness/timing.ts: what other programs take does not count."""
    begin, begin_running = time.perf_counter(), time.process_time()
    work()
    return min(time.perf_counter() - begin, time.process_time() - begin_running)


def elapsed(work):
    """For what waits for the disk, or for a server."""
    begin = time.perf_counter()
    work()
    return time.perf_counter() - begin


def calibrated(name, once):
    """How often it fits into a round; found in the first one, which warms it up."""
    if name not in counts:
        count = 16
        while (took := once(count)) * 1000 < ROUND_MS / 2:
            count *= 2
        counts[name] = max(16, round(count * ROUND_MS / 1000 / took))
    return counts[name]


def sync_us(name, work, clock=timed):
    def once(count):
        return clock(lambda: work(count))

    count = calibrated(name, once)
    return once(count) * 1e6 / count


def async_us(name, work, clock=timed):
    return sync_us(name, lambda count: loop.run_until_complete(work(count)), clock)


def zoocache_round():
    import zoocache
    from zoocache.telemetry import TelemetryManager

    if "ready" not in globals():
        global ready, get_user, get_user_sync
        options = {"default_ttl": HOUR, "max_entries": 1_000_000}
        if SYSTEM == "zoocache-lmdb":
            os.makedirs(FOLDER, exist_ok=True)
            options |= {"storage_url": f"lmdb://{FOLDER}", "lmdb_map_size": 2**31}
        if SYSTEM == "zoocache-redis":
            # Without telemetry of its own it would measure itself, with a package that nobody asked for.
            quiet = TelemetryManager()
            options |= {"storage_url": FOLDER, "bus_url": FOLDER, "prefix": "original", "telemetry": quiet}
        zoocache.configure(**options)

        @zoocache.cacheable(namespace="bench", deps=lambda id: [f"user:{id}"])
        async def get_user(id: int):
            return {"id": id, "name": "user"}

        @zoocache.cacheable(namespace="bench", deps=lambda id: [f"user:{id}"])
        def get_user_sync(id: int):
            return {"id": id, "name": "user"}

        ready = True

    async def warm():
        for number in range(KEYS):
            await get_user(number)

    def mark():
        """Entries of their own for the invalidations, so that hits stay hits."""
        for number in range(KEYS):
            zoocache.set(f"marked:{number}", VALUE, deps=[f"marked:{number}"])

    async def async_hit(count):
        for at in range(count):
            await get_user(at % KEYS)

    def sync_hit(count):
        for at in range(count):
            get_user_sync(at % KEYS)

    def get(count):
        for at in range(count):
            zoocache.get(keys[at % KEYS])

    def set_(count):
        for at in range(count):
            zoocache.set(keys[at % KEYS], VALUE, deps=[tags[at % KEYS]])

    def invalidate(count):
        for at in range(count):
            zoocache.invalidate(marks[at % KEYS])

    async def first_call(count):
        for number in fresh_ids(count):
            await get_user(number)

    def first_call_sync(count):
        for number in fresh_ids(count):
            get_user_sync(number)

    loads = 0

    @zoocache.cacheable(namespace="bench")
    async def slow(id: int):
        nonlocal loads
        loads += 1
        await asyncio.sleep(0)
        return VALUE

    async def stampede():
        missing = fresh_ids(1)[0]
        await asyncio.gather(*(slow(missing) for _ in range(CALLERS)))

    loop.run_until_complete(warm())
    for number in range(KEYS):
        get_user_sync(number)
    set_(KEYS)
    mark()
    marks = [f"marked:{number}" for number in range(KEYS)]
    reading = elapsed if SYSTEM == "zoocache-redis" else timed
    writing = timed if SYSTEM == "zoocache" else elapsed
    measured = {
        "asyncHit": async_us("asyncHit", async_hit, reading),
        "syncHit": sync_us("syncHit", sync_hit, reading),
        "get": sync_us("get", get, reading),
        "set": sync_us("set", set_, writing),
        "invalidate": sync_us("invalidate", invalidate, writing),
        "firstCall": async_us("firstCall", first_call, reading),
        "firstCallSync": sync_us("firstCallSync", first_call_sync, reading),
    }
    if SYSTEM == "zoocache-redis":
        # Of 10,000 callers many would fail.
        return measured
    measured["stampedeMs"] = timed(lambda: loop.run_until_complete(stampede())) * 1000
    measured["stampedeLoads"] = loads
    return measured


def dogpile_round():
    from dogpile.cache import make_region

    region = make_region().configure("dogpile.cache.memory", expiration_time=HOUR)

    @region.cache_on_arguments()
    def get_user(id: int):
        return {"id": id, "name": "user"}

    for number in range(KEYS):
        get_user(number)

    def sync_hit(count):
        for at in range(count):
            get_user(at % KEYS)

    def first_call_sync(count):
        for number in fresh_ids(count):
            get_user(number)

    def invalidate(count):
        for at in range(count):
            region.delete(keys[at % KEYS])

    return {
        "syncHit": sync_us("syncHit", sync_hit),
        "firstCallSync": sync_us("firstCallSync", first_call_sync),
        "invalidate": sync_us("invalidate", invalidate),
    }


def diskcache_round():
    import diskcache

    cache = diskcache.Cache(FOLDER, tag_index=True)
    few = keys[:500]

    @cache.memoize(expire=HOUR)
    def get_user(id: int):
        return {"id": id, "name": "user"}

    def sync_hit(count):
        for at in range(count):
            get_user(at % 500)

    def get(count):
        for at in range(count):
            cache.get(few[at % 500])

    def set_(count):
        for at in range(count):
            cache.set(few[at % 500], VALUE, expire=HOUR, tag=tags[at % 500])

    def invalidate(count):
        for at in range(count):
            cache.evict(tags[at % 500])

    set_(500)
    for number in range(500):
        get_user(number)
    measured = {
        "syncHit": sync_us("syncHit", sync_hit, elapsed),
        "get": sync_us("get", get, elapsed),
        "set": sync_us("set", set_, elapsed),
        "invalidate": sync_us("invalidate", invalidate, elapsed),
    }
    cache.close()
    return measured


def cashews_round():
    from cashews import Cache

    cache = Cache()
    cache.setup("mem://", size=1_000_000)

    @cache(ttl="1h", key="user:{id}", tags=["user:{id}"])
    async def get_user(id: int):
        return {"id": id, "name": "user"}

    async def warm(count):
        for number in range(count):
            await get_user(number)

    async def async_hit(count):
        for at in range(count):
            await get_user(at % 1000)

    async def first_call(count):
        for number in fresh_ids(count):
            await get_user(number)

    async def invalidate(count):
        for at in range(count):
            await cache.delete_tags(tags[at % 1000])

    loop.run_until_complete(warm(1000))
    return {
        "asyncHit": async_us("asyncHit", async_hit),
        "firstCall": async_us("firstCall", first_call),
        "invalidate": async_us("invalidate", invalidate),
    }


rounds = {
    "zoocache": zoocache_round,
    "zoocache-lmdb": zoocache_round,
    "zoocache-redis": zoocache_round,
    "dogpile.cache": dogpile_round,
    "diskcache": diskcache_round,
    "cashews": cashews_round,
}

loop = asyncio.new_event_loop()
asyncio.set_event_loop(loop)
for _line in sys.stdin:
    print(json.dumps(rounds[SYSTEM]()), flush=True)
