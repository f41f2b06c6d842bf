"""Django's cache and sessions by django-redis, whose locks and pattern deletes are scripts.

usage: django_cache.py PORT     (run by ../clients.rs; exits with 1 on the first failure)
"""

import sys

import django
from django.conf import settings

settings.configure(
    CACHES={
        "default": {
            "BACKEND": "django_redis.cache.RedisCache",
            "LOCATION": f"redis://127.0.0.1:{sys.argv[1]}/0",
            "KEY_PREFIX": "shop",
        }
    },
    SESSION_ENGINE="django.contrib.sessions.backends.cache",
    INSTALLED_APPS=["django.contrib.sessions"],
)
django.setup()

from django.core.cache import cache  # noqa: E402
from django.contrib.sessions.backends.cache import SessionStore  # noqa: E402


def values():
    assert cache.set("one", {"a": [1, 2]}, timeout=100) and cache.get("one") == {"a": [1, 2]}
    assert cache.get("none", "else") == "else"
    assert 0 < cache.ttl("one") <= 100
    assert cache.add("once", 1) and not cache.add("once", 2)
    cache.set_many({f"page:{i}": i for i in range(200)})
    assert cache.get_many(["page:3", "page:4", "no"]) == {"page:3": 3, "page:4": 4}
    assert cache.incr("once", 5) == 6 and cache.decr("once") == 5
    try:
        cache.incr("nothing")
    except ValueError:
        pass
    else:
        raise AssertionError("an absent counter was counted up")
    assert cache.delete_pattern("page:*") == 200
    assert cache.touch("one", 50) and cache.ttl("one") <= 50
    assert cache.get_or_set("lazy", lambda: "made") == "made"


def locks():
    with cache.lock("stock", timeout=5):
        assert not cache.lock("stock", timeout=5).acquire(blocking=False)
    assert cache.lock("stock", timeout=5).acquire(blocking=False)


def sessions():
    session = SessionStore()
    session["cart"] = [1, 2, 3]
    session.save()
    again = SessionStore(session_key=session.session_key)
    assert again["cart"] == [1, 2, 3]
    again.delete()
    assert not SessionStore().exists(session.session_key)


cache.clear()
values()
locks()
sessions()
cache.clear()
print("django: ok")
