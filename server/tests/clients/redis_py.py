"""redis-py with its default settings, as an application would use it.

usage: redis_py.py PORT PROTOCOL     (run by ../clients.rs; exits with 1 on the first failure)
"""

import sys
import threading
import time

import redis
from redis.cache import CacheConfig
from redis.connection import CacheProxyConnection


def basics(r):
    assert r.ping() is True
    assert r.set("k", "v") is True
    assert r.get("k") == b"v"
    assert r.set("k", "w", nx=True) is None
    assert r.set("k", "w", get=True) == b"v"
    assert r.get("missing") is None
    assert r.delete("k", "missing") == 1
    assert r.exists("k") == 0
    assert r.append("a", "bc") == 2 and r.strlen("a") == 2
    assert r.setrange("a", 1, "X") == 2 and r.getrange("a", 0, -1) == b"bX"
    assert r.getset("a", "1") == b"bX" and r.getdel("a") == b"1"
    assert r.mset({"x": 1, "y": "two"}) is True
    assert r.mget("x", "y", "z") == [b"1", b"two", None]
    assert r.msetnx({"x": 1, "q": 2}) is False
    assert r.incr("n") == 1 and r.incrby("n", 10) == 11 and r.decrby("n", 1) == 10
    assert r.incrbyfloat("f", 1.5) == 1.5
    assert r.type("n") == b"string"
    binary = bytes(range(256))
    assert r.set(binary, binary) and r.get(binary) == binary
    big = "x" * 1_000_000
    assert r.set("big", big) and r.get("big") == big.encode()


def keys(r):
    assert r.mset({f"key:{i}": i for i in range(2500)})
    assert r.dbsize() == 2500
    assert {int(k.split(b":")[1]) for k in r.scan_iter("key:*", count=100)} == set(range(2500))
    assert len(r.keys("key:1?")) == 10
    assert r.rename("key:0", "zero") and not r.renamenx("key:1", "key:2")
    assert r.copy("zero", "nil") and r.get("nil") == b"0"
    assert r.unlink("zero", "nil") == 2
    assert r.randomkey().startswith(b"key:")
    assert r.touch("key:1", "missing") == 1
    assert r.object("encoding", "key:1") == b"int"
    assert r.move("key:1", 1) and r.flushdb()


def pubsub(r):
    p = r.pubsub()
    p.subscribe("one", "two")
    p.psubscribe("t*")
    kinds = [take(p)["type"] for _ in range(3)]
    assert kinds == ["subscribe", "subscribe", "psubscribe"], kinds
    assert r.publish("one", "hello") == 1
    assert (lambda m: (m["type"], m["data"]))(take(p)) == ("message", b"hello")
    assert r.publish("two", b"\x00\xff") == 2
    got = [take(p) for _ in range(2)]
    assert {m["type"] for m in got} == {"message", "pmessage"}
    assert all(m["data"] == b"\x00\xff" for m in got)
    assert r.pubsub_numsub("one", "nil") == [(b"one", 1), (b"nil", 0)]
    assert set(r.pubsub_channels()) == {b"one", b"two"} and r.pubsub_numpat() == 1
    heard = []
    p.subscribe(three=lambda message: heard.append(message["data"]))
    assert take(p)["type"] == "subscribe"
    assert r.publish("three", "x") == 2 and take(p)["type"] == "pmessage"
    assert heard == [b"x"]
    p.unsubscribe("one")
    assert take(p)["type"] == "unsubscribe"
    assert r.publish("one", "gone") == 0
    p.close()
    deadline = time.monotonic() + 5
    while r.pubsub_channels():
        assert time.monotonic() < deadline


def take(p):
    """The next message that is not handled by a function of ours."""
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        message = p.get_message(timeout=1)
        if message is not None:
            return message
    raise AssertionError("no message came")


def expiry(r):
    assert r.setex("k", 100, "v") and 98 < r.ttl("k") <= 100
    assert r.psetex("k", 100_000, "v") and 90_000 < r.pttl("k") <= 100_000
    assert r.persist("k") and r.ttl("k") == -1 and r.ttl("missing") == -2
    assert r.expire("k", 100, nx=True) and not r.expire("k", 50, gt=True)
    assert r.expireat("k", 4102444800) and r.expiretime("k") == 4102444800
    assert r.getex("k", persist=True) == b"v" and r.ttl("k") == -1
    assert r.set("k", "v", px=30)
    deadline = time.monotonic() + 5
    while r.exists("k"):
        assert time.monotonic() < deadline
    assert r.get("k") is None


def pipelines(r):
    with r.pipeline(transaction=False) as p:
        for i in range(5000):
            p.set(f"p:{i}", i)
        p.get("p:4999").incr("p:0")
        replies = p.execute()
    assert replies[:5000] == [True] * 5000 and replies[5000:] == [b"4999", 1]
    with r.pipeline() as p:
        assert p.set("t", 1).incr("t").get("t").execute() == [True, 2, b"2"]
    r.set("text", "abc")
    with r.pipeline() as p:
        replies = p.incr("text").set("after", 1).execute(raise_on_error=False)
    assert isinstance(replies[0], redis.ResponseError) and replies[1] is True


def watch(r, connect):
    r.set("balance", 1)
    with r.pipeline() as p:
        p.watch("balance")
        connect().set("balance", 2)
        p.multi()
        p.set("balance", 3)
        try:
            p.execute()
        except redis.WatchError:
            pass
        else:
            raise AssertionError("a touched key must abort")
    assert r.get("balance") == b"2"

    def add():
        client = connect()
        for _ in range(50):
            client.transaction(lambda p: increment(p), "counter")

    def increment(p):
        value = int(p.get("counter") or 0)
        p.multi()
        p.set("counter", value + 1)

    threads = [threading.Thread(target=add) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert r.get("counter") == b"200"


def administration(r):
    info = r.info()
    assert info["redis_version"].startswith("7.") and info["role"] == "master"
    assert info["connected_clients"] >= 1 and isinstance(info["used_memory"], int)
    assert r.config_get("maxmemory") == {"maxmemory": "0"}
    assert r.config_set("slowlog-max-len", 64) and r.config_set("slowlog-max-len", 128)
    assert r.client_setname("tester") and r.client_getname() in ("tester", b"tester")
    assert any(client["name"] == "tester" for client in r.client_list())
    assert isinstance(r.client_id(), int) and r.echo("hi") == b"hi"
    assert abs(r.time()[0] - time.time()) < 60
    assert r.slowlog_reset() and isinstance(r.slowlog_get(), list)
    assert r.memory_usage("balance") > 0
    assert "get" in r.command() and r.command_count() > 50
    wrongs = (lambda: r.incr("text"), lambda: r.execute_command("NOSUCH"), lambda: r.select(99))
    for wrong in wrongs:
        try:
            wrong()
        except redis.ResponseError as error:
            assert str(error)
        else:
            raise AssertionError("an error was expected")


def caching(r, connect):
    """The library's own client-side cache, which the server's invalidations keep right."""
    # The library wants 7.4 for it, though all it needs is in older servers, too.
    CacheProxyConnection.MIN_ALLOWED_VERSION = "6.0.0"
    reader = connect(cache_config=CacheConfig(max_size=100))
    cache = reader.get_cache()
    for write, read, wanted in (
        (lambda: r.hset("h", mapping={"a": 1, "b": 2}), lambda: reader.hget("h", "a"), b"1"),
        (lambda: r.hincrby("h", "a", 4), lambda: reader.hget("h", "a"), b"5"),
        (lambda: r.rpush("l", 1, 2), lambda: reader.lrange("l", 0, -1), [b"1", b"2"]),
        (lambda: r.lpop("l"), lambda: reader.lrange("l", 0, -1), [b"2"]),
        (lambda: r.sadd("s", "x"), lambda: reader.scard("s"), 1),
        (lambda: r.zadd("z", {"x": 1}), lambda: reader.zscore("z", "x"), 1.0),
        (lambda: r.delete("z"), lambda: reader.zscore("z", "x"), None),
        (lambda: r.flushall(), lambda: reader.hget("h", "a"), None),
    ):
        read()
        write()
        eventually(lambda: read() == wanted)
    assert cache.size == 0, "a missing key is not kept"
    r.mset({"k": "v", **{f"k:{i}": i for i in range(150)}})
    assert reader.get("k") == b"v" and cache.size == 1
    before = calls_of_get(r)
    assert all(reader.get("k") == b"v" for _ in range(100))
    assert calls_of_get(r) == before, "copies are read without asking the server"
    for i in range(150):
        assert reader.get(f"k:{i}") == str(i).encode()
    assert cache.size == 100
    reader.close()


def calls_of_get(r):
    return r.info("commandstats")["cmdstat_get"]["calls"]


def eventually(condition):
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline


def main():
    port, protocol = int(sys.argv[1]), int(sys.argv[2])

    def connect(**options):
        return redis.Redis(port=port, protocol=protocol, **options)

    r = connect()
    r.flushall()
    basics(r)
    r.flushall()
    keys(r)
    pubsub(r)
    expiry(r)
    pipelines(r)
    watch(r, connect)
    administration(r)
    if protocol == 3:
        caching(r, connect)
    decoded = redis.Redis(port=port, protocol=protocol, decode_responses=True)
    assert decoded.set("text", "é中") and decoded.get("text") == "é中"
    r.flushall()
    print(f"redis-py {redis.__version__} RESP{protocol}: ok")


main()
