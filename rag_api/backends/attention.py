"""Attention over texts that lie end to end, each within itself. Written so that TorchScript can compile it (`int8`).

Texts go by lengths, equal ones together: exponentials of the scores are divided by their sums after they were
multiplied with the values, which saves a walk over them. Scores of minus infinity for what is a neighbour's let a
longer text share its kernels with others of about its length.
"""

from collections.abc import Sequence
from itertools import groupby
from typing import NamedTuple, TypeAlias

import torch

Tensor: TypeAlias = torch.Tensor
STEP = 16  # tokens: by so many the windows of attention differ
SHORT = 64  # tokens: attention of shorter texts is fp32, which needs no kernels made for their length


class Run(NamedTuple):
    """So many texts of the same length, the first token of which is at `start`. `window`: tokens that attention takes a
    text as: longer ones share few numbers, as each wants kernels of its own."""

    start: int
    texts: int
    length: int
    window: int
    is_short: bool

    @property
    def stop(self) -> int:
        return self.start + self.texts * self.length


def runs_of(lengths: Sequence[int]) -> list[Run]:
    """Of texts by length."""
    runs: list[Run] = []
    start = 0
    for length, texts in groupby(lengths):
        is_short = length <= SHORT
        runs.append(Run(start, len(list(texts)), length, length if is_short else -(-length // STEP) * STEP, is_short))
        start = runs[-1].stop
    return runs


def attend(x: Tensor, runs: list[Run], heads: int, in_range: bool) -> tuple[Tensor, Tensor]:
    """Weighted values for each token; and a number that is finite if all of them are, and all sums of weights.

    `x`: queries, keys and values of shape (tokens, 3 × width), the queries divided by what scores are. `in_range`:
    keeps exponentials in the range of floats, whatever the scores.
    """
    width = x.shape[1] // 3
    size = width // heads
    context = torch.empty([x.shape[0], width], dtype=x.dtype)
    total = torch.zeros([])
    stop = 0
    for run in runs:
        count, window, length = run.texts, run.window, run.length
        # each text's own tokens and the first that follow, which weigh nothing
        windows = x[run.start :].as_strided([count, window, 3 * width], [length * 3 * width, 3 * width, 1])
        split = windows.view([count, window, 3, heads, size]).permute([2, 0, 3, 1, 4])
        if run.is_short:
            split = split.float()
        query, key, value = split.contiguous().view([3, count * heads, window, size]).unbind(0)
        scores = torch.bmm(query, key.transpose(1, 2))
        if window > length:
            scores[:, :, length:] = float("-inf")
        if in_range:
            scores -= scores.amax([2], keepdim=True)
        weights = scores.exp_()
        sums = weights.sum([2]).view([count, heads, window, 1])[:, :, :length]
        found = torch.bmm(weights, value).view([count, heads, window, size])[:, :, :length]
        total += sums.sum(dtype=torch.float32)
        stop = run.start + count * length
        into = context[run.start : stop].view([count, length, heads, size]).transpose(1, 2)
        torch.div(found, sums, out=into)
    context[stop:] = 0
    total += context.sum(dtype=torch.float32)  # what is no number would be one after int8
    return context, total
