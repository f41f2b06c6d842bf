"""redis-py's asyncio client, as a web service would use it.

usage: redis_py_asyncio.py PORT PROTOCOL     (run by ../clients.rs; exits with 1 on a failure)
"""

import asyncio
import sys
import time

import redis
import redis.asyncio as aioredis


async def hashes(r):
    assert await r.hset("h", mapping={"name": "zoe", "age": 7, "blank": ""}) == 3
    assert await r.hset("h", "age", 8) == 0 and not await r.hsetnx("h", "age", 9)
    assert await r.hgetall("h") == {"name": "zoe", "age": "8", "blank": ""}
    assert await r.hmget("h", "name", "none") == ["zoe", None]
    assert await r.hincrby("h", "age", 2) == 10
    assert await r.hincrbyfloat("h", "weight", 1.5) == 1.5
    assert sorted(await r.hkeys("h")) == ["age", "blank", "name", "weight"]
    assert await r.hexists("h", "name") and await r.hstrlen("h", "name") == 3
    assert await r.hdel("h", "blank", "none") == 1 and await r.hlen("h") == 3
    assert await r.hset("wide", mapping={f"field:{i}": i for i in range(1000)}) == 1000
    found = {field: value async for field, value in r.hscan_iter("wide", match="field:99*")}
    assert found == {f"field:{i}": str(i) for i in [99, *range(990, 1000)]}
    pairs = await r.hrandfield("wide", 3, withvalues=True)
    assert len(pairs) in (3, 6), pairs


async def sets(r):
    assert await r.sadd("s", "a", "b", "c") == 3 and await r.sadd("s", "a") == 0
    assert await r.smembers("s") == {"a", "b", "c"}
    assert await r.sismember("s", "a") and await r.smismember("s", ["a", "z"]) == [1, 0]
    assert await r.sadd("t", "b", "c", "d") == 3
    assert await r.sinter("s", "t") == {"b", "c"}
    assert await r.sunion("s", "t") == {"a", "b", "c", "d"}
    assert await r.sdiff("s", "t") == {"a"}
    assert await r.sinterstore("both", "s", "t") == 2 and await r.scard("both") == 2
    assert await r.sintercard(2, ["s", "t"], limit=1) == 1
    assert await r.smove("s", "t", "a") and await r.srem("t", "a", "z") == 1
    assert await r.spop("both") in {"b", "c"}
    assert await r.sadd("numbers", *range(600)) == 600
    assert {int(n) async for n in r.sscan_iter("numbers")} == set(range(600))
    assert await r.object("encoding", "numbers") in ("hashtable", b"hashtable")


async def sorted_sets(r):
    assert await r.zadd("z", {"ann": 3, "bob": 1, "cat": 2.5}) == 3
    assert await r.zrange("z", 0, -1) == ["bob", "cat", "ann"]
    assert plain(await r.zrange("z", 0, 0, withscores=True)) == [("bob", 1.0)]
    assert plain(await r.zrevrange("z", 0, 1, withscores=True)) == [("ann", 3.0), ("cat", 2.5)]
    assert await r.zscore("z", "cat") == 2.5 and await r.zscore("z", "none") is None
    assert await r.zrank("z", "ann") == 2 and await r.zrevrank("z", "ann") == 0
    assert await r.zincrby("z", 5, "bob") == 6.0
    assert await r.zrangebyscore("z", "(2.5", "+inf") == ["ann", "bob"]
    assert await r.zcount("z", 2, 3) == 2
    assert await r.zadd("z", {"bob": 1}, gt=True, ch=True) == 0
    assert plain(await r.zpopmin("z", 1)) == [("cat", 2.5)]
    assert await r.zunionstore("sum", {"z": 2}) == 2 and await r.zscore("sum", "ann") == 6.0
    assert await r.zadd("many", {f"m{i:04}": i for i in range(1000)}) == 1000
    assert await r.zrange("many", 500, 502) == ["m0500", "m0501", "m0502"]
    assert await r.zrangestore("part", "many", 0, 9) == 10
    assert await r.zremrangebyscore("many", 0, 989) == 990
    assert {member async for member, _ in r.zscan_iter("many")} == {
        f"m{i:04}" for i in range(990, 1000)
    }


def plain(pairs):
    """RESP2 gives members with scores as tuples, RESP3 as lists."""
    return [(member, float(score)) for member, score in pairs]


async def lists(r):
    assert await r.rpush("l", "a", "b", "c") == 3 and await r.lpush("l", "z") == 4
    assert await r.lrange("l", 0, -1) == ["z", "a", "b", "c"]
    assert await r.lindex("l", -1) == "c" and await r.llen("l") == 4
    assert await r.linsert("l", "BEFORE", "b", "ab") == 5
    assert await r.lset("l", 0, "y") is True and await r.lpos("l", "ab") == 2
    assert await r.lrem("l", 0, "ab") == 1 and await r.ltrim("l", 0, 2) is True
    assert await r.lmove("l", "other", "RIGHT", "LEFT") == "b"
    assert await r.lpop("l", 2) == ["y", "a"] and await r.exists("l") == 0
    assert await r.rpush("long", *range(5000)) == 5000
    assert await r.lrange("long", 2500, 2502) == ["2500", "2501", "2502"]
    assert await r.lmpop(2, "l", "long", direction="LEFT", count=2) == ["long", ["0", "1"]]
    assert await r.sort("other", alpha=True) == ["b"]


async def streams(r):
    first = await r.xadd("log", {"level": "info", "n": 1}, id="1-1")
    assert first == "1-1" and await r.xadd("log", {"n": 2}, id="2-1") == "2-1"
    last = await r.xadd("log", {"n": 3})
    assert await r.xlen("log") == 3
    assert await r.xrange("log", "-", "2-1") == [
        ("1-1", {"level": "info", "n": "1"}),
        ("2-1", {"n": "2"}),
    ]
    assert (await r.xrevrange("log", count=1))[0][0] == last
    assert entries(await r.xread({"log": "2-1"}, count=10)) == [(last, {"n": "3"})]
    assert await r.xgroup_create("log", "workers", id="0") is True
    got = entries(await r.xreadgroup("workers", "w1", {"log": ">"}, count=2))
    assert [entry_id for entry_id, _ in got] == ["1-1", "2-1"]
    assert await r.xack("log", "workers", "1-1") == 1
    pending = await r.xpending("log", "workers")
    assert pending["pending"] == 1 and pending["min"] == "2-1", pending
    claimed = await r.xautoclaim("log", "workers", "w2", 0, "0-0")
    assert claimed[1] == [("2-1", {"n": "2"})], claimed
    groups = await r.xinfo_groups("log")
    assert groups[0]["name"] == "workers" and groups[0]["consumers"] == 2, groups
    assert (await r.xinfo_stream("log"))["length"] == 3
    assert await r.xtrim("log", maxlen=1, approximate=False) == 2
    waiting = asyncio.create_task(r.xread({"log": "$"}, block=10_000))
    await blocked(r, 1)
    sent = await r.xadd("log", {"n": 4})
    assert entries(await within(waiting)) == [(sent, {"n": "4"})]


def entries(reply):
    """The entries of the one stream in an XREAD reply: RESP2 gives pairs, RESP3 a dict."""
    if isinstance(reply, dict):
        (found,) = reply.values()
        return [tuple(entry) for entry in found[0]]
    ((_, found),) = reply
    return found


async def pipelines(r):
    async with r.pipeline(transaction=False) as p:
        for i in range(3000):
            p.rpush("queue", i)
        p.llen("queue").lindex("queue", 2999)
        replies = await p.execute()
    assert replies == [*range(1, 3001), 3000, "2999"]
    async with r.pipeline() as p:
        replies = await p.hset("acc", "x", 1).sadd("tags", "a").zadd("rank", {"a": 1}).execute()
    assert replies == [1, 1, 1]
    async with r.pipeline() as p:
        replies = await p.incr("acc").set("after", 1).execute(raise_on_error=False)
    assert isinstance(replies[0], redis.ResponseError) and replies[1] is True
    assert "WRONGTYPE" in str(replies[0]), replies[0]
    pages = await asyncio.gather(*(r.lrange("queue", i, i) for i in range(300)))
    assert pages == [[str(i)] for i in range(300)]


async def transactions(r):
    async with r.pipeline() as p:
        await p.watch("stock")
        await r.hset("stock", "apples", 1)
        p.multi()
        p.hset("stock", "apples", 0)
        try:
            await p.execute()
        except redis.WatchError:
            pass
        else:
            raise AssertionError("a touched key must abort")

    async def buy(p):
        left = int(await p.hget("stock", "pears"))
        p.multi()
        p.hset("stock", "pears", left - 1)
        p.rpush("sold", left)

    async def buyer():
        for _ in range(10):
            await r.transaction(buy, "stock")

    await r.hset("stock", "pears", 50)
    await within(asyncio.gather(*(buyer() for _ in range(5))))
    assert await r.hget("stock", "pears") == "0"
    assert await r.lrange("sold", 0, -1) == [str(n) for n in range(50, 0, -1)]


async def pubsub(r):
    heard = []

    async def reader(channel, topic):
        async for message in channel.listen():
            if message["type"] in ("message", "pmessage"):
                heard.append((topic, message["channel"], message["data"]))
                if message["data"] == "stop":
                    return

    async with r.pubsub() as one, r.pubsub() as two:
        await one.subscribe("news")
        await two.psubscribe("n*")
        tasks = [asyncio.create_task(reader(one, "one")), asyncio.create_task(reader(two, "two"))]
        while await r.pubsub_numsub("news") != [("news", 1)] or await r.pubsub_numpat() != 1:
            await asyncio.sleep(0.002)
        for i in range(200):
            assert await r.publish("news", i) == 2
        assert await r.publish("nothing", "for two") == 1
        assert await r.publish("news", "stop") == 2
        await within(asyncio.gather(*tasks))
        await one.unsubscribe("news")
        await two.punsubscribe("n*")
    texts = [str(i) for i in range(200)]
    assert [data for topic, _, data in heard if topic == "one"] == [*texts, "stop"]
    assert [data for topic, _, data in heard if topic == "two"] == [*texts, "for two", "stop"]
    while await r.pubsub_channels() or await r.pubsub_numpat():
        await asyncio.sleep(0.002)


async def blocking(r):
    """Workers that wait on one queue get what is pushed, in the order in which they came."""
    workers = []
    for i in range(4):
        workers.append(asyncio.create_task(r.blpop(["jobs", "urgent"], timeout=20)))
        await blocked(r, i + 1)
    assert await r.rpush("jobs", "a", "b") == 2
    assert await r.rpush("urgent", "c") == 1 and await r.rpush("jobs", "d") == 1
    got = [tuple(pair) for pair in await within(asyncio.gather(*workers))]
    assert got == [("jobs", "a"), ("jobs", "b"), ("urgent", "c"), ("jobs", "d")], got

    popping = asyncio.create_task(r.bzpopmin("board", timeout=20))
    moving = asyncio.create_task(r.blmove("in", "out", 20, "LEFT", "RIGHT"))
    await blocked(r, 2)
    async with r.pipeline() as p:
        await p.zadd("board", {"x": 2, "y": 1}).rpush("in", "job").execute()
    key, member, score = await within(popping)
    assert (key, member, float(score)) == ("board", "y", 1.0)
    assert await within(moving) == "job" and await r.lrange("out", 0, -1) == ["job"]

    began = time.monotonic()
    assert await r.blpop("never", timeout=0.05) is None
    assert 0.04 < time.monotonic() - began < 10

    cancelled = asyncio.create_task(r.blpop("gone", timeout=20))
    await blocked(r, 1)
    cancelled.cancel()
    await asyncio.gather(cancelled, return_exceptions=True)
    await blocked(r, 0)
    assert await r.rpush("gone", "kept") == 1 and await r.lpop("gone") == "kept"


async def blocked(r, count):
    """Waits until that many clients are blocked."""
    deadline = time.monotonic() + 20
    while (await r.info("clients"))["blocked_clients"] != count:
        assert time.monotonic() < deadline, f"{count} blocked clients were expected"
        await asyncio.sleep(0.002)


async def within(awaitable):
    """No wait of ours is longer than this."""
    return await asyncio.wait_for(awaitable, 20)


async def tracking(r, connect):
    """A cache of our own, told of changes through a subscribed connection (REDIRECT)."""
    async with r.pubsub() as invalidations, connect(single_connection_client=True) as reader:
        await invalidations.subscribe("__redis__:invalidate")
        assert (await within(invalidations.get_message(timeout=10)))["type"] == "subscribe"
        listener = await named(r, "sub=1")
        await reader.execute_command("CLIENT", "TRACKING", "ON", "REDIRECT", listener)
        await r.hset("page", "title", "old")
        assert await reader.hget("page", "title") == "old"
        await r.hset("page", "title", "new")
        message = await within(invalidations.get_message(timeout=10))
        assert message["data"] == ["page"], message
        assert await reader.hget("page", "title") == "new"


async def named(r, text):
    """The id of the one client whose CLIENT LIST line has `text`."""
    field, value = text.split("=")
    (found,) = [client for client in await r.client_list() if client[field] == value]
    return found["id"]


async def main():
    port, protocol = int(sys.argv[1]), int(sys.argv[2])

    def connect(**options):
        return aioredis.Redis(port=port, protocol=protocol, decode_responses=True, **options)

    async with connect() as r:
        await r.flushall()
        for part in (hashes, sets, sorted_sets, lists, streams, pipelines, transactions):
            await part(r)
            await r.flushall()
        await pubsub(r)
        await blocking(r)
        if protocol == 2:
            await tracking(r, connect)
        await r.flushall()
    print(f"redis-py asyncio {redis.__version__} RESP{protocol}: ok")


asyncio.run(main())
