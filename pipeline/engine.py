"""Runs one pure function over many items: here and now, in processes, or on a Dask cluster. Same outcome from each.

The function is given one shard's worth of rows and writes it; what it returns is small. A worker that dies costs its
shard, which is tried again; an error of ours ends the run, and so does the user's Ctrl-C, with nothing left running.
"""

import ctypes
import multiprocessing
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from typing import Any, Protocol, runtime_checkable

from tqdm import tqdm

from pipeline import fingerprint
from pipeline.errors import InputError
from pipeline.params import Engine

SERIAL = Engine(kind="serial", workers=1, threads=1, address="", retries=0)
Tick = Callable[[int], None]  # so many more rows are done
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # malloc.h
PATIENCE = 30  # seconds for a scheduler to answer and to have a worker
THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


@runtime_checkable
class Job(Protocol):
    """What runs over the items: picklable, the same for the same item, harmless when it runs twice."""

    def __call__(self, item: Any, tick: Tick) -> Any: ...

    def weight(self, item: Any) -> int:
        """How many rows an item is, for the bar."""
        ...


def run(how: Engine, job: Job, items: Sequence[Any], tick: Tick) -> Iterator[Any]:
    """What `job` returns for each item, in the order in which they are done. Raises what `job` raises."""
    if items:
        yield from ENGINES[how.kind](how, job, items, tick)


def _serial(how: Engine, job: Job, items: Sequence[Any], tick: Tick) -> Iterator[Any]:
    """One after the other, in this process, on all of its threads."""
    yield from (job(item, tick) for item in items)


def _processes(how: Engine, job: Job, items: Sequence[Any], tick: Tick) -> Iterator[Any]:
    """On a pool of processes; when one dies the pool is made anew for what is left."""
    left = dict(enumerate(items))
    for _ in range(how.retries + 1):
        try:
            for number, outcome in _pooled(how, job, left):
                tick(job.weight(left.pop(number)))
                yield outcome
            return
        except BrokenProcessPool:
            print(f"engine: a worker was lost; {len(left)} of {len(items)} shards are left", file=sys.stderr)
    raise InputError(
        f"engine.retries: workers were lost {how.retries + 1} times, killed perhaps for want of memory; "
        "ask for fewer engine.workers"
    )


def _pooled(how: Engine, job: Job, items: dict[int, Any]) -> Iterator[tuple[int, Any]]:
    """Numbers of the items and their outcomes as they come, from a pool that lasts as long as nothing goes wrong."""
    context = multiprocessing.get_context("spawn")  # a fork would inherit the locks of our threads
    with _threads(how.threads):
        pool = ProcessPoolExecutor(min(how.workers, len(items)), mp_context=context)
        try:
            futures: dict[Future[Any], int] = {pool.submit(job, item, silent): n for n, item in items.items()}
            while futures:
                for future in wait(futures, return_when=FIRST_COMPLETED).done:
                    yield futures.pop(future), future.result()
        except BaseException:
            _end(pool)
            raise
        pool.shutdown()


def _end(pool: ProcessPoolExecutor) -> None:
    """Stop a pool at once: what its workers were doing is done again or not wanted."""
    workers = list((pool._processes or {}).values())
    pool.shutdown(wait=False, cancel_futures=True)
    for worker in workers:
        worker.kill()
        worker.join()


def _dask(how: Engine, job: Job, items: Sequence[Any], tick: Tick) -> Iterator[Any]:
    """On a Dask cluster: the scheduler at `address`, or one started here for as long as the run takes."""
    try:
        from distributed import Client, KilledWorker, as_completed
    except ImportError as error:
        raise InputError("engine.kind: dask needs its packages: pip install '.[dask]'") from error
    with _cluster(how) as cluster, _client(Client, cluster, how) as client:
        print(f"engine: Dask dashboard at {client.dashboard_link}", flush=True)
        _check_workers(client, how)
        futures = {client.submit(_call, job, item, pure=False, retries=how.retries): item for item in items}
        try:
            for future in as_completed(list(futures), loop=client.loop):
                outcome = future.result()
                tick(job.weight(futures.pop(future)))
                yield outcome
        except KilledWorker as error:
            raise InputError(
                f"engine.retries: a shard lost its worker again and again ({error}); give the workers more memory"
            ) from error
        finally:
            client.cancel(list(futures), force=True)


@contextmanager
def _cluster(how: Engine) -> Iterator[Any]:
    """The address of the running scheduler, or a cluster on this machine that ends with the run."""
    if how.address:
        yield how.address
        return
    import dask
    from distributed import LocalCluster

    with (
        dask.config.set({"distributed.scheduler.allowed-failures": how.retries}),
        LocalCluster(
            n_workers=how.workers,
            threads_per_worker=1,  # a worker holds one shard at a time
            dashboard_address="localhost:0",
            env=dict.fromkeys(THREADS, str(how.threads)),
        ) as cluster,
    ):
        yield cluster


def _call(job: Job, item: Any) -> Any:
    """The job on a Dask worker, whose nanny has told malloc to give every freed array back to the kernel at once: page
    faults then cost features three times what they compute. glibc's own limits are put back; elsewhere there are none.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(M_MMAP_THRESHOLD, 32 * 2**20)
        mallopt(M_TRIM_THRESHOLD, 64 * 2**20)
    return job(item, silent)


def _client(connect: Callable[..., Any], cluster: Any, how: Engine) -> Any:
    try:
        return connect(cluster, set_as_default=False, timeout=PATIENCE)
    except (OSError, ValueError) as error:
        raise InputError(f"engine.address: no Dask scheduler answers at {how.address!r}: {error}") from error


def _check_workers(client: Any, how: Engine) -> None:
    """Refuse a cluster without workers, and workers that would run other code than this."""
    try:
        client.wait_for_workers(1, timeout=PATIENCE)
        codes = client.run(_code)
    except TimeoutError as error:
        raise InputError(f"engine.address: the scheduler at {how.address} has no worker") from error
    except ModuleNotFoundError as error:
        raise InputError(
            f"engine.address: its workers cannot import lensprep ({error}); start them in a checkout of the project, "
            "as python -m distributed.cli.dask_worker ADDRESS"
        ) from error
    others = sorted(worker for worker, code in codes.items() if code != _code())
    if others:
        raise InputError(f"engine.address: worker {others[0]} runs another version of lensprep than this; update it")


def _code() -> str:
    return fingerprint.digest(fingerprint.code())


@contextmanager
def _threads(count: int) -> Iterator[None]:
    """So many threads for the numerical libraries of processes that are started meanwhile."""
    before = {name: os.environ.get(name) for name in THREADS}
    os.environ.update(dict.fromkeys(THREADS, str(count)))
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name) if value is None else os.environ.update({name: value})


ENGINES = {"serial": _serial, "processes": _processes, "dask": _dask}


def silent(rows: int) -> None:
    """The tick of a worker: its rows are counted when they arrive."""


@contextmanager
def progress(name: str, total: int, done: int) -> Iterator[Tick]:
    """A bar with rows a second on a terminal; a log gets none."""
    shown = sys.stderr.isatty()
    with tqdm(total=total, initial=done, desc=name, unit=" images", unit_scale=True, disable=not shown) as bar:
        yield lambda rows: bar.update(rows) and None
