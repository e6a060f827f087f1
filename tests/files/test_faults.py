"""What happens in a signal is tried in a process of its own."""

from __future__ import annotations

import signal
import sys
from pathlib import Path

import pytest

from tests.suite.warm import run_warm

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="elsewhere no signal is handled")

BEGIN = """
import faulthandler, gc, mmap, os, signal, sys, threading
import numpy as np
from flowload.errors import DataError
from flowload.files.faults import faults
from flowload.files.guard import Guard
from flowload.kernels.rows.take import stream_rows

path = sys.argv[1] + "/x"
PAGES = 2000

def whole(name=path):
    with open(name, "wb") as file:
        file.write(b"a" * (PAGES * mmap.PAGESIZE))

def mapped(name=path):
    guard = Guard()
    return guard, guard.map(name).reshape(-1, 32)

def gather(rows, seed=0):
    which = np.random.default_rng(seed).integers(0, len(rows), 50_000)
    out = np.full((len(which), 32), 7, np.uint8)
    stream_rows(out, rows, which)
    return which, out

def foreign():
    # A map that nobody has told of: the process ends here, as it would without flowload.
    name = path + "-foreign"
    whole(name)
    file = open(name, "rb")
    memory = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    os.truncate(name, 0)
    print("foreign", flush=True)
    return memory[mmap.PAGESIZE + 5]

whole()
"""


def run(folder: Path, code: str) -> tuple[int, str, str]:
    done = run_warm("-c", BEGIN + code, str(folder))
    return done.returncode, done.stdout, done.stderr


@pytest.mark.slow
def test_many_threads_read_a_map_that_is_cut(tmp_path: Path) -> None:
    code = """
guard, rows = mapped()
os.truncate(path, 100 * mmap.PAGESIZE + 10)
border = (100 * mmap.PAGESIZE + 10) // 32
right = []
def work(seed):
    which, out = gather(rows, seed)
    right.append((out[which < border] == ord("a")).all() and (out[which > border] == 0).all())
threads = [threading.Thread(target=work, args=(k,)) for k in range(8)]
for thread in threads: thread.start()
for thread in threads: thread.join()
assert right == [True] * 8
try:
    with guard:
        gather(rows)
except DataError as error:
    print(error)
maps = len(open("/proc/self/maps").readlines())
print(maps < 2000, faults().words[0])
"""
    returned, said, bad = run(tmp_path, code)
    assert (returned, bad) == (0, "")
    assert "x: file changed; found 409,610 bytes; wanted 8,192,000 bytes" in said
    assert said.splitlines()[-1] == "True 1"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("before", "after"),
    [("faulthandler.enable()", ""), ("", "faulthandler.enable(); other = mapped()"), ("", "")],
)
@pytest.mark.parametrize("what", ["foreign()", "os.kill(os.getpid(), signal.SIGBUS)"])
def test_what_is_not_ours_ends_the_process_as_ever(
    tmp_path: Path, before: str, after: str, what: str
) -> None:
    code = f"""
{before}
guard, rows = mapped()
{after}
os.truncate(path, 0)
gather(rows)
print("alive", guard.maps[0][1].cut, flush=True)
{what}
print("not reached")
"""
    returned, said, bad = run(tmp_path, code)
    assert returned == -signal.SIGBUS
    assert said.startswith("alive True\n")
    assert "not reached" not in said
    assert bad.count("Fatal Python error: Bus error") == bool(before + after)
    assert ("most recent call first" in bad) == bool(before + after)


@pytest.mark.slow
def test_a_handler_of_the_users_gets_what_is_sent(tmp_path: Path) -> None:
    code = """
got = []
signal.signal(signal.SIGBUS, lambda number, frame: got.append(number))
guard, rows = mapped()
for _ in range(3):
    os.kill(os.getpid(), signal.SIGBUS)
print(len(got), signal.getsignal(signal.SIGBUS).__name__)
signal.signal(signal.SIGBUS, signal.SIG_IGN)
other = mapped()
os.kill(os.getpid(), signal.SIGBUS)
print("ignored", len(got))
os.truncate(path, 0)
gather(rows)
print("alive", flush=True)
foreign()  # cannot be ignored
"""
    returned, said, _ = run(tmp_path, code)
    assert said.splitlines() == ["3 <lambda>", "ignored 3", "alive", "foreign"]
    assert returned == -signal.SIGBUS


@pytest.mark.slow
def test_the_handler_comes_back_where_another_took_its_place(tmp_path: Path) -> None:
    code = """
guard, rows = mapped()
signal.signal(signal.SIGBUS, signal.SIG_DFL)
guard.next_visit = 0.0
with guard:
    pass  # looks whether it is still there
os.truncate(path, 0)
gather(rows)
print("alive")
for k in range(30):
    signal.signal(signal.SIGBUS, [signal.SIG_DFL, signal.SIG_IGN][k % 2])
    mapped.__call__ and whole()
    other = mapped()
print(faults().words[1])
"""
    returned, said, bad = run(tmp_path, code)
    assert (returned, bad) == (0, "")
    assert said.splitlines() == ["alive", "2"]


@pytest.mark.slow
def test_a_map_that_has_gone_is_watched_no_more(tmp_path: Path) -> None:
    code = """
guard, rows = mapped()
begin = rows.ctypes.data
guard.close()
del guard, rows
gc.collect()
assert list(faults().words[3:5]) == [0, 0]
# Another map may lie where it was; a fault there is not ours.
again = [mapped()]
assert faults().words[0] == 1, "the slot is used again"
assert not again[0][0].maps[0][1].cut
del again[:]
gc.collect()
foreign()
"""
    returned, said, _ = run(tmp_path, code)
    assert said.splitlines() == ["foreign"]
    assert returned == -signal.SIGBUS


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_children_are_guarded_too(tmp_path: Path) -> None:
    code = """
import multiprocessing, warnings
warnings.simplefilter("ignore")
guard, rows = mapped()
os.truncate(path, 0)
child = os.fork()
if child == 0:
    gather(rows)
    os._exit(10 + guard.maps[0][1].cut)
print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), guard.maps[0][1].cut)
gather(rows)
print(guard.maps[0][1].cut, flush=True)
child = os.fork()
if child == 0:
    foreign()
print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""
    returned, said, bad = run(tmp_path, code)
    assert (returned, bad) == (0, "")
    assert said.splitlines() == ["11 False", "True", "foreign", str(-signal.SIGBUS)]


@pytest.mark.slow
def test_more_maps_than_one(tmp_path: Path) -> None:
    code = """
many = [mapped() for _ in range(50)]
whole(path + "2")
other = mapped(path + "2")
os.truncate(path, 0)
gather(other[1]); gather(many[33][1])
print([k for k, (guard, _) in enumerate(many) if guard.maps[0][1].cut], other[0].maps[0][1].cut)
del many[20:40]
gc.collect()
more = [mapped(path + "2") for _ in range(20)]
print(any(guard.maps[0][1].cut for guard, _ in more), faults().words[0])
"""
    returned, said, bad = run(tmp_path, code)
    assert (returned, bad) == (0, "")
    assert said.splitlines() == ["[33] False", "False 51"]


@pytest.mark.slow
def test_a_map_that_is_cut_stays_one_map(tmp_path: Path) -> None:
    code = """
guard, rows = mapped()
flat = rows.reshape(-1)
os.truncate(path, 0)
before = len(open("/proc/self/maps").readlines())
for page in range(PAGES - 1, -1, -2):  # page by page this would be a map for each, and Linux gives 65,530
    flat[page * mmap.PAGESIZE]
print(len(open("/proc/self/maps").readlines()) - before, flat.any())
"""
    returned, said, bad = run(tmp_path, code)
    assert (returned, bad) == (0, "")
    more, anything = said.split()
    assert int(more) < 20
    assert anything == "False"
