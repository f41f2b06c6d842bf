"""A Celery worker with its broker and its results on the server, and an application beside it.

usage: celery_worker.py PORT     (run by ../clients.rs; exits with 1 on the first failure)

The worker is another process that loads this file as a module, as `celery -A` does. Tasks are
sent, retried, grouped and joined. Workers give back the tasks of lost workers at their start and
ever again, under a lock that redis-py releases by EVALSHA.
"""

import contextlib
import os
import signal
import subprocess
import sys
import tempfile

import celery
import redis
from celery.result import GroupResult, ResultSet

LIMIT_S = 30

app = celery.Celery(
    "shop",
    broker=os.environ.get("SHOP_BROKER"),
    backend=os.environ.get("SHOP_RESULTS"),
)
app.conf.update(
    broker_connection_retry_on_startup=True,
    result_expires=600,
    task_track_started=True,
    worker_hijack_root_logger=False,
)


@app.task
def add(a, b):
    return a + b


@app.task
def total(numbers):
    return sum(numbers)


@app.task
def fail(text):
    raise ValueError(text)


@app.task(bind=True, max_retries=3)
def fetch(self, page):
    """Succeeds at the third try."""
    if self.request.retries < 2:
        raise self.retry(countdown=0.3)
    return [page, self.request.retries]


def tasks():
    assert add.delay(2, 3).get(timeout=LIMIT_S) == 5
    sent = [add.delay(i, i) for i in range(50)]
    # Together: one by one each takes Celery's client a second if they came in another order.
    assert ResultSet(sent).get(timeout=LIMIT_S) == [2 * i for i in range(50)]
    later = add.apply_async((1, 1), countdown=0.5)
    assert later.get(timeout=LIMIT_S) == 2 and later.successful()
    failed = fail.delay("no such order")
    try:
        failed.get(timeout=LIMIT_S)
    except ValueError as error:
        assert str(error) == "no such order"
    else:
        raise AssertionError("the task's error must arrive")
    assert failed.state == "FAILURE" and "no such order" in failed.traceback
    assert fetch.delay("index").get(timeout=LIMIT_S) == ["index", 2]


def workflows():
    assert celery.chain(add.s(1, 2), add.s(10))().get(timeout=LIMIT_S) == 13
    many = celery.group(add.s(i, 1) for i in range(10))()
    assert many.get(timeout=LIMIT_S) == list(range(1, 11)) and many.successful()
    many.save()
    assert GroupResult.restore(many.id).completed_count() == 10
    joined = celery.chord((add.s(i, i) for i in range(10)), total.s())()
    assert joined.get(timeout=LIMIT_S) == 90
    doubtful = celery.chord([add.s(1, 1), fail.s("one of them")], total.s())()
    try:
        doubtful.get(timeout=LIMIT_S)
    except (celery.exceptions.ChordError, ValueError) as error:
        assert "one of them" in str(error)
    else:
        raise AssertionError("a chord fails with its part")


def control(results):
    """Commands to all workers go out by pub/sub."""
    (name,) = [name for answer in app.control.ping(timeout=5, limit=1) for name in answer]
    known = app.control.inspect([name], timeout=5, limit=1).registered()[name]
    assert {"add", "fetch"} <= {task.rpartition(".")[2] for task in known}, known
    kept = add.delay(4, 4)
    assert kept.get(timeout=LIMIT_S) == 8
    key = f"celery-task-meta-{kept.id}"
    assert 0 < results.ttl(key) <= 600
    kept.forget()
    assert not results.exists(key)


def worker_command():
    module = os.path.splitext(os.path.basename(__file__))[0]
    options = ["--concurrency", "2", "--loglevel", "WARNING", "--without-heartbeat"]
    return [sys.executable, "-m", "celery", "-A", module, "worker", *options]


def stop(worker):
    """Whether the worker has ended in order, and so given back what it had not acknowledged."""
    worker.terminate()
    try:
        assert worker.wait(8) == 0, worker.returncode
        return True
    except subprocess.TimeoutExpired:
        # Now and then a Celery worker does not end; it was seen with redis-server.
        print("the worker did not end by itself")
        return False


def end_all(worker):
    """The worker has ended by now, with the processes of its session, unless something failed."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(worker.pid, signal.SIGKILL)
    worker.wait()


def out_of_time(_signal, _frame):
    raise TimeoutError("the worker and its tasks took too long")


def main():
    port = sys.argv[1]
    broker, results = (redis.Redis(port=int(port), db=number) for number in (0, 1))
    broker.flushall()
    signal.signal(signal.SIGALRM, out_of_time)
    signal.alarm(75)
    here = os.path.dirname(os.path.abspath(__file__))
    with tempfile.TemporaryFile("w+") as log:
        worker = subprocess.Popen(
            worker_command(), cwd=here, stdout=log, stderr=log, start_new_session=True
        )
        try:
            tasks()
            workflows()
            control(results)
            in_order = stop(worker)
        except BaseException:
            log.seek(0)
            sys.stderr.write(log.read())
            raise
        finally:
            end_all(worker)
    if in_order:
        assert broker.llen("celery") == 0 and not broker.exists("unacked", "unacked_index")
    broker.flushall()
    print(f"celery {celery.__version__}: ok")


if __name__ == "__main__":
    # Tasks are named by their module: it has one name here and in the worker.
    os.environ["SHOP_BROKER"] = f"redis://127.0.0.1:{sys.argv[1]}/0"
    os.environ["SHOP_RESULTS"] = f"redis://127.0.0.1:{sys.argv[1]}/1"
    import celery_worker

    celery_worker.main()
