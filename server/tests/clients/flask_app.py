"""A Flask application whose cache (Flask-Caching) and sessions (Flask-Session) are on the server.

usage: flask_app.py PORT     (run by ../clients.rs; exits with 1 on the first failure)
"""

import importlib.metadata
import sys
import time

import flask
import redis
from flask_caching import Cache
from flask_session import Session

cache = Cache()
calls = {"report": 0, "price": 0}


def create_app(port):
    app = flask.Flask("shop")
    app.config.update(
        CACHE_TYPE="RedisCache",
        CACHE_REDIS_URL=f"redis://127.0.0.1:{port}/0",
        CACHE_DEFAULT_TIMEOUT=300,
        SESSION_TYPE="redis",
        SESSION_REDIS=redis.Redis(port=port, db=1),
        SESSION_PERMANENT=True,
        PERMANENT_SESSION_LIFETIME=600,
    )
    cache.init_app(app)
    Session(app)

    @app.get("/report")
    @cache.cached(timeout=60, query_string=True)
    def report():
        calls["report"] += 1
        return f"report {flask.request.args.get('page', '1')}"

    @app.get("/price/<item>")
    def price(item):
        return str(price_of(item))

    @app.post("/basket/<item>")
    def put(item):
        basket = flask.session.setdefault("basket", {})
        basket[item] = basket.get(item, 0) + 1
        flask.session.modified = True
        return flask.jsonify(basket)

    @app.get("/basket")
    def basket():
        return flask.jsonify(flask.session.get("basket", {}))

    @app.post("/logout")
    def logout():
        flask.session.clear()
        return ""

    return app


@cache.memoize(timeout=60)
def price_of(item):
    calls["price"] += 1
    return len(item)


def caching(app, server):
    client = app.test_client()
    for _ in range(3):
        assert client.get("/report?page=1").text == "report 1"
    assert client.get("/report?page=2").text == "report 2" and calls["report"] == 2
    assert server.dbsize() == 2 and all(0 < server.ttl(key) <= 60 for key in server.scan_iter())
    for item in ("pear", "pear", "fig"):
        assert client.get(f"/price/{item}").text == str(len(item))
    assert calls["price"] == 2
    with app.app_context():
        cache.delete_memoized(price_of, "pear")
        assert price_of("pear") == 4 and price_of("fig") == 3 and calls["price"] == 3
        cache.delete_memoized(price_of)
        assert price_of("fig") == 3 and calls["price"] == 4
        values(server)
        assert cache.clear()
    assert not list(server.scan_iter("flask_cache_*"))
    assert client.get("/report?page=1").text == "report 1" and calls["report"] == 3


def values(server):
    assert cache.set("a", {"deep": [1, None, "é"]}) and cache.get("a") == {"deep": [1, None, "é"]}
    assert cache.get("none") is None and cache.has("a") and not cache.has("none")
    assert cache.add("a", 1) is False and cache.add("b", 1) is True
    cache.set_many({"c": 3, "d": 4}, timeout=100)
    assert cache.get_many("c", "none", "d") == [3, None, 4]
    assert cache.get_dict("c", "d") == {"c": 3, "d": 4}
    assert cache.delete("a") and cache.delete_many("c", "d") and cache.get("c") is None
    backend = cache.cache
    assert backend.inc("hits") == 1 and backend.inc("hits", 4) == 5 and backend.dec("hits") == 4
    assert cache.set("forever", "x", timeout=0) and server.ttl("flask_cache_forever") == -1
    assert cache.set("short", "x", timeout=1) and cache.get("short") == "x"
    deadline = time.monotonic() + 10
    while cache.get("short") is not None:
        assert time.monotonic() < deadline
        time.sleep(0.02)


def sessions(app, server):
    ann, bob = app.test_client(), app.test_client()
    assert ann.post("/basket/pear").json == {"pear": 1}
    assert ann.post("/basket/pear").json == {"pear": 2}
    assert bob.post("/basket/fig").json == {"fig": 1}
    assert ann.get("/basket").json == {"pear": 2} and bob.get("/basket").json == {"fig": 1}
    keys = list(server.scan_iter("session:*"))
    assert len(keys) == 2 and all(0 < server.ttl(key) <= 600 for key in keys)
    # Another process of the same application finds the session by the cookie.
    cookie = ann.get_cookie("session").value
    elsewhere = create_app(server.get_connection_kwargs()["port"]).test_client()
    elsewhere.set_cookie("session", cookie)
    assert elsewhere.get("/basket").json == {"pear": 2}
    ann.post("/logout")
    assert ann.get("/basket").json == {} and len(list(server.scan_iter("session:*"))) == 1
    # A session that the server has dropped begins anew.
    server.flushdb()
    assert bob.get("/basket").json == {}


def main():
    port = int(sys.argv[1])
    server = redis.Redis(port=port)
    server.flushall()
    app = create_app(port)
    caching(app, server)
    sessions(app, redis.Redis(port=port, db=1))
    server.flushall()
    names = ("flask", "flask-caching", "flask-session")
    print(*(f"{name} {importlib.metadata.version(name)}" for name in names), "ok", sep=", ")


main()
