"""The cache stays within its bytes, forgets the least used first, and its keys tell arrays apart."""

import threading

import numpy as np
import pytest

from automask_ui.cache import ByteLRU, array_key


def test_least_recently_used_goes_first():
    cache = ByteLRU[bytes](10, len)
    cache.put("a", b"1234")
    cache.put("b", b"1234")
    assert cache.get("a") == b"1234"
    assert cache.put("c", b"1234") == [b"1234"]
    assert "b" not in cache
    assert "a" in cache
    assert cache.total_bytes == 8


def test_replacing_counts_once():
    cache = ByteLRU[bytes](10, len)
    cache.put("a", b"1234")
    cache.put("a", b"123456")
    assert (len(cache), cache.total_bytes) == (1, 6)
    assert cache.pop("a") == b"123456"
    assert cache.pop("a") is None
    assert cache.total_bytes == 0


@pytest.mark.parametrize(("bound", "value"), [(10, b"12345678901"), (0, b"1")])
def test_what_is_larger_than_the_bound_is_not_kept(bound, value):
    cache = ByteLRU[bytes](bound, len)
    cache.put("a", value)
    assert cache.get("a") is None
    assert cache.total_bytes == 0


def test_discard_and_clear():
    cache = ByteLRU[bytes](100, len)
    for number in range(6):
        cache.put(number, b"1234")
    assert (len(cache), cache.total_bytes) == (6, 24)
    cache.clear()
    assert (len(cache), cache.total_bytes) == (0, 0)


def test_threads_keep_the_count_right():
    cache = ByteLRU[bytes](50, len)

    def work(seed):
        rng = np.random.default_rng(seed)
        for _ in range(300):
            cache.put(int(rng.integers(20)), b"x" * int(rng.integers(1, 20)))
            cache.get(int(rng.integers(20)))

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert cache.total_bytes == sum(len(cache.get(key) or b"") for key in range(20)) <= 50


@pytest.mark.parametrize(
    ("left", "right"),
    [
        (np.zeros((2, 3), np.uint8), np.zeros((3, 2), np.uint8)),  # shape
        (np.zeros(4, np.uint8), np.zeros(1, np.uint32)),  # dtype, same bytes
        (np.zeros((2, 3), np.uint8), np.eye(2, 3, dtype=np.uint8)),  # content
        (np.arange(6).reshape(2, 3), np.arange(6).reshape(2, 3)[:, ::-1]),  # order
    ],
)
def test_different_arrays_have_different_keys(left, right):
    assert array_key(left) != array_key(right)


def test_equal_arrays_have_equal_keys_however_they_lie_in_memory():
    array = np.arange(12).reshape(3, 4)
    assert array_key(array) == array_key(np.asfortranarray(array)) == array_key(array.copy())
