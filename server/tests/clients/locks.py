"""redis-py's Lock and a rate limiter, which are scripts, under contention.

usage: locks.py PORT     (run by ../clients.rs; exits with 1 on the first failure)
"""

import sys
import threading
import time

import redis
from redis.exceptions import LockError, LockNotOwnedError

# A sliding window: the keys of its members are not declared, as many have it.
LIMITER = """
local key = KEYS[1]
local now, window, limit = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
redis.call('ZREMRANGEBYSCORE', key, '-inf', now - window)
if redis.call('ZCARD', key) >= limit then
    return {0, redis.call('INCR', key .. ':refused')}
end
redis.call('ZADD', key, now, redis.call('INCR', key .. ':sequence'))
redis.call('PEXPIRE', key, window)
return {1, 0}
"""


def lock_is_exclusive(server):
    held = []

    def work():
        for _ in range(20):
            with server.lock("door", timeout=10, sleep=0.001):
                held.append(1)
                assert len(held) == 1, "two are inside"
                before = int(server.get("count") or 0)
                server.set("count", before + 1)
                held.pop()

    threads = [threading.Thread(target=work) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert server.get("count") == b"100", server.get("count")


def lock_knows_its_owner(server):
    lock = server.lock("own", timeout=5)
    assert lock.acquire() and lock.owned()
    assert not server.lock("own", timeout=5).acquire(blocking=False)
    assert lock.extend(10) and 10 < server.ttl("own") <= 15
    assert lock.reacquire() and server.ttl("own") <= 5
    server.set("own", "stolen")
    try:
        lock.release()
    except LockNotOwnedError:
        pass
    else:
        raise AssertionError("a stolen lock was released")
    assert server.get("own") == b"stolen"
    try:
        server.lock("nobody").release()
    except LockError:
        pass
    else:
        raise AssertionError("a lock that was never taken was released")


def limiter_limits(server):
    limiter = server.register_script(LIMITER)
    now = int(time.time() * 1000)
    passed = []

    def work():
        for _ in range(50):
            passed.append(limiter(keys=["api"], args=[now, 60_000, 100])[0])

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(passed) == 100, sum(passed)
    assert server.get("api:refused") == b"100"
    assert limiter(keys=["api"], args=[now + 60_001, 60_000, 100])[0] == 1
    # The cache of scripts may be emptied at any time.
    server.script_flush()
    assert limiter(keys=["api"], args=[now + 60_002, 60_000, 100])[0] == 1
    pipe = server.pipeline()
    for _ in range(10):
        limiter(keys=["piped"], args=[now, 1000, 5], client=pipe)
    assert [reply[0] for reply in pipe.execute()] == [1] * 5 + [0] * 5


def main():
    server = redis.Redis(port=int(sys.argv[1]))
    server.flushall()
    lock_is_exclusive(server)
    lock_knows_its_owner(server)
    limiter_limits(server)
    server.flushall()
    print("locks: ok")


main()
