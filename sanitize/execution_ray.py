"""The ordered map on a Ray cluster: one that runs already, or a private one of this machine that ends with the process.

Ray Core only. Functions travel by name, so every node needs this package, of the same version.
"""

from __future__ import annotations

import logging
import math
import os
import shutil
import socket
import sys
import tempfile
import warnings
import weakref
from collections.abc import Callable, Iterator, Sequence
from copy import deepcopy
from typing import Any, TypeVar

import ray
from ray._private import ray_constants
from ray.exceptions import RayError, RayTaskError
from ray.job_config import JobConfig

from sanitize.code_version import code_version
from sanitize.errors import BadInput, BadParams, MendableError
from sanitize.runtime.import_path import elsewhere
from sanitize.runtime.notices import Noted, noted, told
from sanitize.runtime.printing import say
from sanitize.runtime.processor import difference, processor

Task = TypeVar("Task")
Result = TypeVar("Result")
Shared = TypeVar("Shared")

LOOPBACK = "127.0.0.1"
RETRIES = 3  # of a task whose worker or node died
SECONDS_TO_ANSWER = 10.0
SHARES = 10_000  # Ray deals out GPUs in such parts
LONGEST_FOLDER = 40  # characters; Ray's sockets lie below it, and their whole path must fit into 107
# Without the first Ray asks the system for an address that other machines can reach, even for a cluster of one machine.
ONLY_LOOPBACK = {"RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0", "RAY_USAGE_STATS_ENABLED": "0"}
QUIET = {"RAY_IGNORE_UNHANDLED_ERRORS": "1"}  # the first failure stops a map; the others need no mention


def _refuse_node(asked: tuple[str, str]) -> None:
    """BadInput: this node would not give the bytes that the process that asks would; `asked` is its code, processor."""
    code, asker = asked
    if processor() != asker:
        raise BadInput(
            f"node {_node_address()} has another processor than the process that asks, and would give other bytes "
            f"({difference(processor(), asker)}); use machines of one type, with one setting of its instructions"
        )
    if code_version() != code:
        raise BadInput(
            f"node {_node_address()} runs other code than this process; install the same version of "
            "sanitize, Python, PyTorch, NumPy, SciPy and scikit-learn on every node"
        )


def _run(function: Callable[[Any, Any], Any], asked: tuple[str, str], shared: Any, task: Any) -> Noted:
    """One task on a node, which must give the bytes that the process that asks would."""
    _refuse_node(asked)
    with warnings.catch_warnings():
        # What is shared lies in the node's memory once, and nobody may write to it; PyTorch would warn of just that.
        warnings.filterwarnings("ignore", message="The given NumPy array is not writable")
        return noted(function, shared, task)


def _node_address() -> str:
    return str(ray.util.get_node_ip_address())  # type: ignore[no-untyped-call]


class RayTasks:
    """The map over the workers of a Ray cluster.

    workers  tasks that run at once; None = as many as the cluster takes
    address  HOST:PORT of a running cluster, or "auto" for the one that this machine belongs to; None = the one that
             RAY_ADDRESS names, otherwise a private one
    device   of the learners: "cuda" asks for a GPU per task, "auto" does where the cluster has any, "cpu" never; with
             more workers than GPUs a GPU is shared
    threads  CPUs per task
    cores    CPUs of a private cluster, at the least
    A private cluster listens on the loopback interface only, sends no reports and has no dashboard. It starts with the
    first call, and ends with this object, with `close` or with this process, killed or not. Connections to a running
    cluster end likewise, and take what they were running with them.
    What is shared is put into the object store once per call. A task whose worker or node dies runs again, up to
    RETRIES times. Errors of tasks come back as they were raised.
    """

    def __init__(
        self,
        workers: int | None = None,
        address: str | None = None,
        *,
        device: str = "cpu",
        threads: int = 1,
        cores: int = 1,
    ) -> None:
        if address is not None and "://" in address:
            raise BadParams(
                f"address is {address!r}; must be HOST:PORT of a Ray cluster, or 'auto'; run the command on a machine "
                "of the cluster, for instance by `ray job submit`"
            )
        self.workers = workers
        self.address = address
        self.device = device
        self.threads = threads
        self.cores = max(cores, threads * (workers or 1))
        self._connection: _Connection | None = None

    def __call__(
        self, function: Callable[[Shared, Task], Result], shared: Shared, tasks: Sequence[Task]
    ) -> Iterator[Result]:
        if not len(tasks):
            return
        os.environ.update(QUIET)
        if self._connection is None:
            self._connection = _connect(self.address, self.cores)
        remote = ray.remote(_run).options(
            num_cpus=self.threads,
            num_gpus=self._gpus(),
            max_retries=RETRIES,
            name=getattr(function, "__name__", "task"),
        )
        lent, version = ray.put(shared), (code_version(), processor())
        refs: dict[int, Any] = {}
        running: list[Any] = []
        waiting = iter(range(len(tasks)))

        def submit(most: int) -> None:
            for number in waiting:
                refs[number] = remote.remote(function, version, lent, tasks[number])
                running.append(refs[number])
                if len(running) >= most:
                    return

        most = self.workers or len(tasks)
        number = 0  # of the task that is waited for
        try:
            submit(most)
            while number < len(tasks):
                while refs[number] in running:
                    _, running[:] = ray.wait(running, num_returns=1)
                    if len(running) < most:
                        submit(most)
                # a copy, out of the object store, which ends with the connection
                yield told(deepcopy(ray.get(refs.pop(number))))
                number += 1
        except RayTaskError as error:
            cause = error.cause
            if isinstance(cause, MendableError):
                raise cause from error
            raise RuntimeError(f"task {number} of {len(tasks)} failed: {cause!r}") from cause
        except RayError as error:
            raise BadInput(
                f"task {number} of {len(tasks)} was lost {RETRIES + 1} times with its worker or node "
                f"({type(error).__name__}); most likely for want of memory: run fewer at once (workers in params.yaml, "
                "or --workers), or give the cluster larger nodes"
            ) from error
        finally:
            for ref in running:
                ray.cancel(ref, force=True)

    def close(self) -> None:
        """End a private cluster, or leave the one that was joined, unless another map of this process uses it too.

        The next call starts or joins one again.
        """
        self._connection = None

    def _gpus(self) -> float:
        """GPUs per task; a message where the cluster has none yet."""
        if self.device == "cpu":
            return 0
        present = ray.cluster_resources().get("GPU", 0)  # type: ignore[no-untyped-call]
        if not present and self.device == "auto":
            return 0
        if not present:
            assert self._connection is not None
            if self._connection.private:
                raise BadParams("learner.device is 'cuda', but this machine has no GPU; set it to 'cpu' or 'auto'")
            say(f"ray: the cluster at {self.address} has no GPU yet; waiting for one")
            return 1
        return 1 if not self.workers else min(1, math.floor(SHARES * present / self.workers) / SHARES)


class _Connection:
    """This process's connection to a cluster; ends when nobody holds it any more, or with the process.

    private  whether the cluster is our own
    """

    def __init__(self, private: bool) -> None:
        self.private = private


_open: weakref.WeakValueDictionary[str, _Connection] = weakref.WeakValueDictionary()  # by address


def _connect(address: str | None, cores: int) -> _Connection:
    """The connection to the cluster at `address`, or the one that this process has already."""
    address = address or os.environ.get("RAY_ADDRESS") or "local"
    if address in _open:
        return _open[address]
    if ray.is_initialized():
        if _open:
            raise BadParams(f"address is {address!r}, but this process uses {next(iter(_open))!r}; take one of them")
        return _Connection(private=False)  # the caller's own: used, and left open
    connection = _start_private(cores) if address == "local" else _join(address)
    _open[address] = connection
    return connection


def _join(address: str) -> _Connection:
    host, _, port = address.rpartition(":")
    remedy = "start it with `ray start --head`, or leave address empty for a private cluster of this machine"
    if address != "auto":
        if not host or not port.isdigit():
            raise BadParams(f"address is {address!r}; must be HOST:PORT of a Ray cluster, or 'auto'")
        try:  # Ray itself waits for minutes, and then ends the process
            socket.create_connection((host, int(port)), SECONDS_TO_ANSWER).close()
        except (OSError, OverflowError) as error:
            raise BadParams(f"address is {address!r}; no Ray cluster answers there ({error}); {remedy}") from error
    try:
        with elsewhere("/"):  # Ray puts the current folder into the import path of all workers
            ray.init(address=address, log_to_driver=False, logging_level=logging.CRITICAL)
    except (ConnectionError, RuntimeError, ValueError) as error:
        raise BadParams(f"address is {address!r}; no such Ray cluster can be joined ({error}); {remedy}") from error
    connection = _Connection(private=False)
    weakref.finalize(connection, ray.shutdown)
    return connection


def _start_private(cores: int) -> _Connection:
    before = {name: os.environ.get(name) for name in ONLY_LOOPBACK}
    could = ray_constants.ENABLE_RAY_CLUSTER
    os.environ.update(ONLY_LOOPBACK)  # for the processes that make up the cluster
    ray_constants.ENABLE_RAY_CLUSTER = False  # for this one, where Ray read the variable when it was imported
    folder = tempfile.mkdtemp(prefix="ray-")
    if len(folder) > LONGEST_FOLDER:
        os.rmdir(folder)
        folder = tempfile.mkdtemp(prefix="ray-", dir="/tmp")
    connection = _Connection(private=True)
    weakref.finalize(connection, _end_private, folder, before, could)
    try:
        path = [os.path.abspath(entry) for entry in sys.path]
        # Ray puts the current folder into the import path of all workers, and starts them there.
        with elsewhere(folder):
            ray.init(
                address="local",
                num_cpus=cores,
                include_dashboard=False,
                log_to_driver=False,
                logging_level=logging.CRITICAL,
                job_config=JobConfig(_py_driver_sys_path=path),
                _node_ip_address=LOOPBACK,
                _temp_dir=folder,
            )
    except Exception as error:  # Ray raises Exception itself where its processes do not answer in time
        raise BadInput(
            f"a private Ray cluster did not start ({error}); this machine may be too busy or short of memory: run "
            "again later, or set engine to 'processes'"
        ) from error
    assert _node_address() == LOOPBACK, "a private cluster must not be reached from outside"
    return connection


def _end_private(folder: str, before: dict[str, str | None], could: bool) -> None:
    ray.shutdown()
    shutil.rmtree(folder, ignore_errors=True)  # sockets may go while it is walked
    ray_constants.ENABLE_RAY_CLUSTER = could
    for name, value in before.items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value
