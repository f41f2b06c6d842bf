"""redis-py's own tests, which its authors run against every version of Redis.

usage: redis_py_suite.py PORT blocking|asyncio PROTOCOL FOLDER
(run by ../clients.rs; exits with pytest's code)

FOLDER has redis-py's source distribution. Its tests look at the server's version and leave out
what that does not have. Zumic calls itself a 7.2 and has deadlines of hash fields, too, so here
they take it for an 8.0. What is left out by name is listed below, each group with its reason.
"""

import sys

import pytest

FILES = {
    "blocking": [
        "test_command_parser.py",
        "test_commands.py",
        "test_encoding.py",
        "test_function.py",
        "test_hash.py",
        "test_lock.py",
        "test_monitor.py",
        "test_pipeline.py",
        "test_pubsub.py",
        "test_scripting.py",
    ],
    "asyncio": [
        "test_asyncio/test_commands.py",
        "test_asyncio/test_encoding.py",
        "test_asyncio/test_hash.py",
        "test_asyncio/test_lock.py",
        "test_asyncio/test_monitor.py",
        "test_asyncio/test_pipeline.py",
        "test_asyncio/test_pubsub.py",
        "test_asyncio/test_scripting.py",
    ],
}

# Parts of tests' names, by why they are left out.
LEFT_OUT = {
    "there are no access control lists yet": ["acl", "test_auth", "kill_filter_by_user"],
    "there are no modules": [
        "module",
        "tfunction",
        "tfcall",
        "test_config_set_for_search",
        "test_info_with_modules",
    ],
    "there is no replication yet": ["replicaof", "psync"],
    "they need a cluster": ["_cluster", "shardnumsub", "crossslot"],
    "a server in memory mode has nothing to save to": ["bgsave"],
    "they look for a server on port 6379, whatever they are told": ["test_client_setinfo"],
    "only Redis 8.2 answers 1 where 7.2 says -6": ["test_xgroup_create_entriesread"],
}


class Version:
    """Has the suite take the server for an 8.0."""

    @pytest.hookimpl(trylast=True)
    def pytest_sessionstart(self, session):
        sys.modules["tests.conftest"].REDIS_INFO["version"] = "8.0.0"


def main():
    port, client, protocol, folder = sys.argv[1:]
    left_out = [part for parts in LEFT_OUT.values() for part in parts]
    options = ["--rootdir", folder, "-c", "/dev/null", "-o", "asyncio_mode=auto"]
    options += ["-q", "-p", "no:cacheprovider", "--tb=short", "--timeout=30", "--maxfail=20"]
    options += ["-W", "ignore::pytest.PytestUnknownMarkWarning"]
    options += [f"--redis-url=redis://127.0.0.1:{port}/0", f"--protocol={protocol}"]
    options += ["-m", "not redismod and not onlycluster and not cp_integration and not ssl"]
    options += ["-k", " and ".join(f"not {part}" for part in left_out)]
    options += [f"{folder}/tests/{file}" for file in FILES[client]]
    sys.path.insert(0, folder)
    code = pytest.main(options, plugins=[Version()])
    if code == 0:
        print("ok")
    sys.exit(code)


if __name__ == "__main__":
    main()
