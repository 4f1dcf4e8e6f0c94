import threading
import time

import pytest

from empirical.threads import _team, in_parallel


@pytest.mark.parametrize("threads", [0, 1, 2, 5])
def test_each_task_is_done_once(threads):
    done = []
    in_parallel(threads, done.append, range(1000))
    assert sorted(done) == list(range(1000))


@pytest.mark.skipif(_team() is None, reason="torch has no OpenMP with GNU's interface")
def test_tasks_are_done_by_several_threads_at_a_time():
    meeting, seen = threading.Barrier(3, timeout=30), set()

    def meet(_):
        meeting.wait()  # which takes three
        seen.add(threading.get_ident())

    in_parallel(3, meet, range(3))
    assert len(seen) == 3


@pytest.mark.parametrize("threads", [1, 3])
def test_what_a_task_raises_is_raised_and_no_further_task_begun(threads):
    begun = []

    def fail(task):
        begun.append(task)
        if task == 5:
            raise ValueError("the sixth")
        time.sleep(1e-3)

    with pytest.raises(ValueError, match="the sixth"):
        in_parallel(threads, fail, range(1000))
    assert 5 in begun and len(begun) < 20


def test_no_tasks_are_no_work():
    in_parallel(3, lambda _: 1 / 0, ())
