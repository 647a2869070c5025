"""Workers that go on ahead of who asks for what they find, and stop with them."""

import threading
from collections.abc import Iterator

import pytest
import torch

from automask_ui.engine.runtime import threads
from automask_ui.engine.runtime.threads import map_in_order, map_parallel, run_on_worker


@pytest.fixture(autouse=True)
def two_workers() -> Iterator[None]:
    before = torch.get_num_threads()
    threads._workers.cache_clear()
    torch.set_num_threads(2)
    yield
    threads._workers.cache_clear()
    torch.set_num_threads(before)


def test_each_has_one_thread() -> None:
    assert map_parallel(lambda _: torch.get_num_threads(), range(4)) == [1, 1, 1, 1]
    assert torch.get_num_threads() == 2


def test_pools_do_not_wait_for_each_other() -> None:
    go_on = threading.Event()
    held = threading.Thread(target=map_parallel, args=(lambda _: go_on.wait(10), range(4)))
    held.start()
    try:
        assert run_on_worker(torch.get_num_threads, "prompt") == 1
        assert not go_on.is_set()
    finally:
        go_on.set()
        held.join()
    assert torch.get_num_threads() == 2


def test_results_come_in_the_order_of_the_items() -> None:
    first_may_end = threading.Event()

    def work(item: int) -> int:
        if item == 0:
            assert first_may_end.wait(10)
        first_may_end.set()
        return item**2

    assert list(map_in_order(work, range(9), ahead=3)) == [item**2 for item in range(9)]


def test_they_go_on_as_far_as_allowed_and_no_further() -> None:
    done: list[int] = []
    reached = threading.Event()

    def work(item: int) -> None:
        done.append(item)
        if len(done) == 4:
            reached.set()

    results = map_in_order(work, range(9), ahead=3)
    next(results)
    assert reached.wait(10)
    results.close()
    assert sorted(done) == [0, 1, 2, 3]


def test_nothing_is_under_way_for_a_caller_that_has_gone() -> None:
    begun, ended = threading.Semaphore(0), []
    go_on = threading.Event()

    def work(item: int) -> None:
        begun.release()
        if item:
            assert go_on.wait(10)
        ended.append(item)

    results = map_in_order(work, range(9), ahead=8)
    next(results)
    for _ in range(3):
        assert begun.acquire(timeout=10)
    threading.Timer(0.05, go_on.set).start()
    results.close()
    # Two were being computed and are waited for; the others are never begun.
    assert sorted(ended) == [0, 1, 2]


def test_the_first_exception_is_raised_once_the_others_have_ended() -> None:
    ended = []

    def work(item: int) -> None:
        if item in (2, 3):
            raise ValueError(item)
        ended.append(item)

    with pytest.raises(ValueError, match="2"):
        map_parallel(work, range(4))
    assert ended == [0, 1]
