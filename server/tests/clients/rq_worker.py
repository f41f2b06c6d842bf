"""An RQ worker with its queues on the server, and an application that enqueues jobs.

usage: rq_worker.py PORT     (run by ../clients.rs; exits with 1 on the first failure)

The worker is another process, started by RQ's own command, that imports this file for its jobs.
Its scheduler, which works under a lock, and jobs that are unique by their id are scripts.
"""

import contextlib
import datetime
import os
import signal
import subprocess
import sys
import tempfile
import time

import redis
import rq
import rq.command
import rq.job
import rq.registry

LIMIT_S = 30


def add(a, b):
    return a + b


def report(lines):
    """Tells its progress in the job's own meta data."""
    job = rq.get_current_job()
    for line in range(lines):
        job.meta["line"] = line + 1
        job.save_meta()
    return b"\x00\xff" * lines


def fail(text):
    raise ValueError(text)


def third_time(page):
    """Succeeds at the third try: counts its tries on the server, as each is a new process."""
    tries = rq.get_current_job().connection.hincrby("tries", page, 1)
    if tries < 3:
        raise ConnectionError(f"{page} is not there yet")
    return tries


def hang():
    time.sleep(600)


def ended(job):
    """Waits for the end of a job."""
    return until(lambda: (job.is_finished or job.is_failed or job.is_stopped) and job)


def until(condition):
    deadline = time.monotonic() + LIMIT_S
    while not (found := condition()):
        assert time.monotonic() < deadline, "nothing happened in time"
        time.sleep(0.01)
    return found


def jobs(queue):
    assert ended(queue.enqueue(add, 2, 3)).return_value() == 5
    big = ended(queue.enqueue(report, 1000, result_ttl=100))
    assert big.return_value() == b"\x00\xff" * 1000
    big.refresh()
    assert big.meta == {"line": 1000} and 0 < queue.connection.ttl(big.key) <= 100
    prepared = [rq.Queue.prepare_data(add, (i, i)) for i in range(5)]
    many = queue.enqueue_many(prepared)
    assert [ended(job).return_value() for job in many] == [0, 2, 4, 6, 8]
    first = queue.enqueue(add, 1, 1)
    second = queue.enqueue(add, 2, 2, depends_on=first)
    assert ended(second).return_value() == 4 and first.is_finished


def failures(queue):
    failed = ended(queue.enqueue(fail, "no such order"))
    assert failed.is_failed and "no such order" in failed.latest_result().exc_string
    registry = rq.registry.FailedJobRegistry(queue=queue)
    assert until(lambda: registry.get_job_ids() == [failed.id])
    registry.requeue(failed.id)
    assert until(lambda: failed.results() and len(failed.results()) == 2)
    again = queue.enqueue(third_time, "index", retry=rq.Retry(max=3))
    assert ended(again).return_value() == 3


def scheduled(queue):
    """The scheduler runs in the worker."""
    job = queue.enqueue_in(datetime.timedelta(seconds=1), add, 20, 22)
    assert job.get_status() == rq.job.JobStatus.SCHEDULED
    assert ended(job).return_value() == 42


def control(queue):
    """Commands to a worker go out by pub/sub."""
    (worker,) = rq.Worker.all(queue=queue)
    assert worker.hostname and worker.pid
    stuck = queue.enqueue(hang, job_timeout=LIMIT_S)
    until(lambda: stuck.refresh() or (stuck.is_started and stuck.worker_name))
    rq.command.send_stop_job_command(queue.connection, stuck.id)
    assert ended(stuck).is_stopped


def end_all(worker):
    """The worker has ended by now, with the processes of its session, unless something failed."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(worker.pid, signal.SIGKILL)
    worker.wait()


def out_of_time(_signal, _frame):
    raise TimeoutError("the worker and its jobs took too long")


def main():
    port = sys.argv[1]
    server = redis.Redis(port=int(port))
    server.flushall()
    queue = rq.Queue("shop", connection=server)
    signal.signal(signal.SIGALRM, out_of_time)
    signal.alarm(75)
    here = os.path.dirname(os.path.abspath(__file__))
    command = [sys.executable, "-m", "rq.cli", "worker", "--path", here, "--quiet"]
    command += ["--with-scheduler"]
    command += ["--url", f"redis://127.0.0.1:{port}/0", "shop"]
    with tempfile.TemporaryFile("w+") as log:
        worker = subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True)
        try:
            jobs(queue)
            failures(queue)
            scheduled(queue)
            control(queue)
            assert queue.count == 0
            worker.terminate()
            assert worker.wait(LIMIT_S) == 0, worker.returncode
        except BaseException:
            log.seek(0)
            sys.stderr.write(log.read())
            raise
        finally:
            end_all(worker)
    assert rq.Worker.count(connection=server) == 0, "the worker has signed off"
    server.flushall()
    print(f"rq {rq.VERSION}: ok")


if __name__ == "__main__":
    # Jobs are named by their module: it has one name here and in the worker.
    import rq_worker

    rq_worker.main()
