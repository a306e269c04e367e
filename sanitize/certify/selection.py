"""The k nearest rows and those within a radius, counted by label: keys of one query's distances -> votes. No sorting.

Keys are integers in the order of the distances (Ruler in distances.py). The k-th smallest is found by counting: how
many keys lie below two guesses at a time, until the guesses enclose it. A sample makes the first guesses and counts
over all rows decide, so that the answer is exact whatever the guesses were. Training rows stand label by label, and the
votes of a label are a count over its stretch. Rows tied at the k-th distance are let in by their content's rank.
"""

# M queries, N training rows, C classes, S subsets of the training rows, K numbers of neighbours, R radii
from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numpy.typing import NDArray

from sanitize.jit import compiled, emitted

SAMPLE = 1024  # keys that the first guesses are made from
FEW = 128  # keys that are taken out and looked at by themselves
SPREAD = 3.0  # standard deviations between the guesses and where the sample puts the k-th

_LANES = 64  # keys compared at a time: LLVM cuts them into what the processor has
_STRETCH = 2**20  # keys counted in lanes of 16 bits before they are added up: 2**20 / 64 fits
_I32, _I64 = ir.IntType(32), ir.IntType(64)


def _spread(builder: Any, number: Any, element: Any) -> Any:
    """A number in every lane."""
    blank = ir.Constant(ir.VectorType(element, _LANES), ir.Undefined)
    scalar = builder.insert_element(blank, builder.trunc(number, element), ir.Constant(_I32, 0))
    return builder.shuffle_vector(scalar, blank, ir.Constant(ir.VectorType(_I32, _LANES), [0] * _LANES))


@emitted
def _below(_: Any, keys: Any, place: Any, vectors: Any, low: Any, high: Any) -> Any:
    """Of 64 * vectors keys at an address, at least 64: how many are below `low`, and below `high` (upper 32 bits)."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        _, at, vectors, *bounds = args
        element = ir.IntType(signature.args[0].dtype.bitwidth)
        vector, wide = ir.VectorType(element, _LANES), ir.VectorType(_I32, _LANES)
        limits = [_spread(builder, bound, element) for bound in bounds]
        before, loop, after = builder.block, builder.append_basic_block("count"), builder.append_basic_block("counted")
        builder.branch(loop)
        builder.position_at_end(loop)
        number, counts = builder.phi(_I64), [builder.phi(vector) for _ in limits]
        bytes_each = _LANES * element.width // 8
        place = builder.add(at, builder.mul(number, ir.Constant(_I64, bytes_each)))
        found = builder.load(builder.inttoptr(place, vector.as_pointer()), align=element.width // 8)
        new = []
        for count, limit in zip(counts, limits, strict=True):
            less = builder.sext(builder.icmp_unsigned("<", found, limit), vector)  # -1 where below
            new.append(builder.sub(count, less))
            count.add_incoming(ir.Constant(vector, [0] * _LANES), before)
            count.add_incoming(new[-1], loop)
        following = builder.add(number, ir.Constant(_I64, 1))
        number.add_incoming(ir.Constant(_I64, 0), before)
        number.add_incoming(following, loop)
        builder.cbranch(builder.icmp_signed("<", following, vectors), loop, after)
        builder.position_at_end(after)
        kind = ir.FunctionType(_I32, [wide])
        add_up = cgutils.get_or_insert_function(builder.module, kind, f"llvm.vector.reduce.add.v{_LANES}i32")
        totals = []
        for count in new:
            lanes = count if element.width == 32 else builder.zext(count, wide)
            totals.append(builder.zext(builder.call(add_up, [lanes]), _I64))
        return builder.or_(totals[0], builder.shl(totals[1], ir.Constant(_I64, 32)))

    return types.int64(keys, types.intp, types.int64, types.int64, types.int64), generate


@emitted
def _within(_: Any, keys: Any, place: Any, low: Any, high: Any) -> Any:
    """Which of 64 keys at an address are at least `low` and below `high`: bit i for the i-th."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        element = ir.IntType(signature.args[0].dtype.bitwidth)
        vector = ir.VectorType(element, _LANES)
        found = builder.load(builder.inttoptr(args[1], vector.as_pointer()), align=element.width // 8)
        less = [builder.icmp_unsigned("<", found, _spread(builder, bound, element)) for bound in args[2:]]
        return builder.bitcast(builder.and_(less[1], builder.not_(less[0])), _I64)

    return types.uint64(keys, types.intp, types.int64, types.int64), generate


@compiled
def below(keys: NDArray[Any], low: int, high: int) -> tuple[int, int]:
    """How many keys are below `low` and how many below `high`.

    keys     uint16 or uint32 [n], contiguous
    low      0..the type's largest; high likewise
    """
    first, second, place = 0, 0, keys.ctypes.data
    whole = keys.size // _LANES * _LANES
    for start in range(0, whole, _STRETCH):
        both = _below(keys, place + start * keys.itemsize, (min(start + _STRETCH, whole) - start) // _LANES, low, high)
        first += both & 0xFFFFFFFF
        second += both >> 32
    for i in range(whole, keys.size):
        first += keys[i] < low
        second += keys[i] < high
    return first, second


@compiled
def _rows_within(keys: NDArray[Any], low: int, high: int, rows: NDArray[np.int32]) -> int:
    """Write the rows whose keys are at least `low` and below `high` to `rows`, in order; returns how many."""
    count, start = 0, keys.ctypes.data
    whole = keys.size // _LANES * _LANES
    for first in range(0, whole, _LANES):
        bits = _within(keys, start + first * keys.itemsize, low, high)
        row = first
        while bits:
            if bits & np.uint64(1):
                rows[count] = row
                count += 1
            bits >>= np.uint64(1)
            row += 1
    for row in range(whole, keys.size):
        if low <= keys[row] < high:
            rows[count] = row
            count += 1
    return count


@compiled
def _narrowed(
    keys: NDArray[Any], k: int, low: int, under: int, high: int, enough: int, few: int
) -> tuple[int, int, int, int]:
    """Closer bounds of the k-th smallest key: low, keys below it, high, keys below that.

    low, high       it is at least `low` and below `high`
    under, enough   keys below `low`, fewer than k; keys below `high`, at least k
    few             stop when so few keys are between the bounds; 0 = only when `low` is the key and `high` the next
    """
    turn = 0
    while high - low > 1 and enough - under > few:
        turn += 1
        share, slack = 1 / 3, 0.0
        second = 2 / 3
        if turn % 3:  # each third guess cuts the range in three, however the keys lie
            rows = float(enough - under)
            share = (k - under - 0.5) / rows
            slack = np.sqrt(share * (1 - share) / rows) + 0.5 / (high - low)
            share, second = share - slack, share + slack
        one = min(max(low + int(share * (high - low)), low + 1), high - 1)
        two = min(max(low + int(second * (high - low)) + 1, one), high - 1)
        count_one, count_two = below(keys, one, two)
        if count_one >= k:
            high, enough = one, count_one
        elif count_two >= k:
            low, under, high, enough = one, count_one, two, count_two
        else:
            low, under = two, count_two
    return low, under, high, enough


@compiled
def kth(keys: NDArray[Any], k: int, top: int, sample: NDArray[Any]) -> tuple[int, int, int]:
    """The k-th smallest key.

    keys     uint16 or uint32 [n], contiguous; at least k of them are below `top`
    k        1..n
    top      above every key that counts, at most the type's largest
    sample   uint16 or uint32 [SAMPLE], written over
    Returns  (the key, how many keys are below it, how many are below or equal)
    """
    low, under, high, enough = 0, 0, top, keys.size
    if keys.size >= 8 * SAMPLE:
        step = keys.size // SAMPLE
        least, most = top, 0
        for i in range(SAMPLE):
            key = min(int(keys[i * step]), top - 1)
            sample[i] = key
            least, most = min(least, key), max(most, key)
        share = k / keys.size
        middle, off = share * SAMPLE, SPREAD * np.sqrt(share * (1 - share) * SAMPLE) + 1
        one, less, _, _ = _narrowed(sample, max(1, int(middle - off)), least, 0, most + 1, SAMPLE, 0)
        two = _narrowed(sample, min(SAMPLE, int(middle + off) + 1), one, less, most + 1, SAMPLE, 0)[2]
        count_one, count_two = below(keys, one, two)
        if count_two < k:
            low, under = two, count_two
        else:
            high, enough = two, count_two
        if count_one >= k:
            high, enough = one, count_one
        elif one > low:
            low, under = one, count_one
    low, under, high, enough = _narrowed(keys, k, low, under, high, enough, FEW)
    if high - low > 1:  # only so many differ from one another: no need to look at the rest again
        rows = np.empty(FEW, np.int32)
        count = _rows_within(keys, low, high, rows)
        for i in range(count):
            sample[i] = keys[rows[i]]
        low, before, _, up_to = _narrowed(sample[:count], k - under, low, 0, high, count, 0)
        return low, under + before, under + up_to
    return low, under, below(keys, high, high)[0] if high == top else enough


@compiled
def _tied(
    keys: NDArray[Any],
    key: int,
    wanted: int,
    ranks: NDArray[np.uint32],
    labels: NDArray[np.int32],
    votes: NDArray[np.int32],
    rows: NDArray[np.int32],
    places: NDArray[np.uint32],
    sample: NDArray[np.uint32],
) -> None:
    """Votes of the `wanted` rows of least rank among those whose key is `key`."""
    count = _rows_within(keys, key, key + 1, rows)
    for i in range(count):
        places[i] = ranks[rows[i]]
    last = kth(places[:count], wanted, 0xFFFFFFFF, sample)[0]
    for i in range(count):
        if places[i] <= last:
            votes[labels[rows[i]]] += 1


@compiled
def tally(
    keys: NDArray[Any],
    starts: NDArray[np.int64],
    labels: NDArray[np.int32],
    ranks: NDArray[np.uint32],
    absent: NDArray[Any],
    some_absent: NDArray[np.bool_],
    numbers: NDArray[np.int64],
    bounds: NDArray[np.int64],
    knn: NDArray[np.int32],
    rnn: NDArray[np.int32],
    line: NDArray[Any],
    rows: NDArray[np.int32],
    places: NDArray[np.uint32],
) -> None:
    """Votes of some queries.

    keys         uint16 or uint32 [m, N], lines contiguous; all below the type's largest
    starts       int64 [C + 1], where each label's rows start
    labels       int32 [N], ascending
    ranks        uint32 [N], the content's place, each once; the least comes first among ties
    absent       like keys [S, N], the type's largest where a row is not in the subset, else 0
    some_absent  bool [S], whether there are such rows
    numbers      int64 [K], the k of kNN
    bounds       int64 [R], rNN's keys are below these; at most the type's largest
    knn, rnn     int32 [S, K, m, C] and [S, R, m, C], filled
    line         like keys [N], written over; rows, places: int32 and uint32 [N] likewise
    """
    classes, top = starts.size - 1, (1 << (8 * keys.itemsize)) - 1
    sample, sample_ranks = np.empty(SAMPLE, keys.dtype), np.empty(SAMPLE, np.uint32)
    for query in range(knn.shape[2]):
        for s in range(absent.shape[0]):
            there = keys[query, : labels.size]
            if some_absent[s]:
                for i in range(labels.size):
                    line[i] = there[i] | absent[s, i]
                there = line
            for number, k in enumerate(numbers):
                key, under, up_to = kth(there, k, top, sample)
                votes = knn[s, number, query]
                for label in range(classes):
                    less, most = below(there[starts[label] : starts[label + 1]], key, key + 1)
                    votes[label] = most if up_to == k else less
                if up_to != k:
                    _tied(there, key, k - under, ranks, labels, votes, rows, places, sample_ranks)
            for first in range(0, bounds.size, 2):
                last = min(first + 1, bounds.size - 1)
                for label in range(classes):
                    one, two = below(there[starts[label] : starts[label + 1]], bounds[first], bounds[last])
                    rnn[s, first, query, label] = one
                    rnn[s, last, query, label] = two


@compiled
def nearest_others(keys: NDArray[Any], own: int, k: int, found: NDArray[np.int64]) -> None:
    """The k-th smallest key of each query but for its own row.

    keys   uint16 or uint32 [m, n], lines contiguous, all below the type's largest; written over
    own    the column of the first query's own row; the next query's is the next
    k      1..n - 1
    found  int64 [m], filled
    """
    top = (1 << (8 * keys.itemsize)) - 1
    sample = np.empty(SAMPLE, keys.dtype)
    for query in range(found.size):
        keys[query, own + query] = top
        found[query] = kth(keys[query], k, top, sample)[0]
