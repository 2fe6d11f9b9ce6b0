"""A BERT's forward pass over texts laid end to end, without padding.

Purpose: on processors a padded batch wastes what it pads, and small operators cost as much as matrices.
Mechanism: texts fill bins of `BIN` tokens, so linear layers, which are most of the work, see next to no padding and
few shapes (kernels for a new number of rows take 10 ms and 3 MB). GELU or the residual is added in the same pass. All
matrices can be int8 (`linear`). Attention goes text by text, equal lengths together: exponentials of the scores are
divided by their sums after they were multiplied with the values, which saves a walk over them. Scores of minus infinity
for what is a neighbour's let a longer text share its kernels with others of about its length.
Where exponentials leave the range of floats, which is rare, a pass is done again with each row's greatest score taken
away from it.
Does not promise: any model but a BERT (`packing`).
One pass runs on the calling thread; several threads may run passes at the same time.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain, groupby

import torch
from torch.nn.functional import embedding, layer_norm

from rag_api.backends.linear import FeedForward, Int8FeedForward, Int8Linear, Linear, Tensor

BIN = 1024
STEP = 16  # tokens: by so many the windows of attention differ
SHORT = 64  # tokens: attention of shorter texts is fp32, which needs no kernels made for their length
MANY = 256  # tokens: more than questions that are asked at once have


@dataclass(frozen=True, slots=True)
class Norm:
    weight: Tensor
    bias: Tensor
    epsilon: float

    def __call__(self, x: Tensor) -> Tensor:
        return layer_norm(x, self.weight.shape, self.weight, self.bias, self.epsilon)


@dataclass(frozen=True, slots=True)
class Layer:
    query_key_value: Linear | Int8Linear
    attended: Linear | Int8Linear
    attended_norm: Norm
    feed_forward: FeedForward | Int8FeedForward
    norm: Norm


@dataclass(frozen=True, slots=True)
class _Run:
    """`count` texts of the same length, the first token of which is at `start`."""

    start: int
    count: int
    length: int

    @property
    def tokens(self) -> int:
        return self.count * self.length

    @property
    def stop(self) -> int:
        return self.start + self.tokens

    @property
    def window(self) -> int:
        """Tokens that attention takes a text as: longer ones share few numbers, as each wants kernels of its own."""
        return self.length if self.length <= SHORT else -(-self.length // STEP) * STEP

    def windows(self, x: Tensor) -> Tensor:
        """(count, window, width) of the rows of `x`: each text's own and the first that follow, which weigh nothing."""
        width = x.shape[1]
        return x[self.start :].as_strided((self.count, self.window, width), (self.length * width, width, 1))


@dataclass(frozen=True, slots=True)
class PackedBert:
    words: Tensor
    positions: Tensor
    norm: Norm
    layers: Sequence[Layer]
    heads: int
    pooling: str

    def __call__(self, texts: Sequence[Sequence[int]], *, again: bool = True) -> Tensor:
        """From each text's token ids to pooled vectors (texts, width) in fp32.

        `again`: what leaves the range of floats goes through a slower pass that keeps in it; else it is OverflowError,
        which is also raised where that pass has no finite result.
        """
        pooled = torch.empty(len(texts), self.words.shape[1])
        for together in fill_bins([len(text) for text in texts]):
            some = [texts[at] for at in together]
            try:
                pooled[together] = self._pass(some)
            except OverflowError:
                if not again:
                    raise
                pooled[together] = self._pass(some, in_range=True)
        return pooled

    def warm_up(self) -> None:
        """Has the kernels made that queries need first."""
        for rows in sorted({_rows(tokens) for tokens in range(1, MANY)}):
            full, rest = divmod(rows, SHORT)
            self._pass([[0] * length for length in (rest, *[SHORT] * full) if length])

    def _pass(self, texts: Sequence[Sequence[int]], *, in_range: bool = False) -> Tensor:
        """`texts` by length."""
        runs = _runs([len(text) for text in texts])
        used = runs[-1].stop
        unused = _rows(max(run.stop + run.window - run.length for run in runs)) - used
        ids = torch.tensor([*chain.from_iterable(texts), *[0] * unused])
        places = torch.tensor([*chain.from_iterable(range(len(text)) for text in texts), *[0] * unused])
        x = self.norm(embedding(ids, self.words) + embedding(places, self.positions))
        sums = torch.zeros(())
        for layer in self.layers:
            context, total = self._attend(layer.query_key_value(x), runs, in_range=in_range)
            sums = sums + total
            x = layer.attended_norm(layer.attended.plus(context, x))
            x = layer.norm(layer.feed_forward.plus(x))
        pooled = torch.cat([self._pool(x, run) for run in runs])
        if not (sums.isfinite() and pooled.isfinite().all()):
            raise OverflowError("attention scores are out of the range in which exponentials are floats")
        return pooled

    def _attend(self, x: Tensor, runs: Sequence[_Run], *, in_range: bool) -> tuple[Tensor, Tensor]:
        """Weighted values for each token; and a number that is finite if all of them are, and all sums of weights."""
        width = x.shape[1] // 3
        size = width // self.heads
        context = torch.empty(x.shape[0], width, dtype=x.dtype)
        context[runs[-1].stop :] = 0
        total = torch.zeros(())
        for run in runs:
            split = run.windows(x).view(run.count, run.window, 3, self.heads, size).permute(2, 0, 3, 1, 4)
            if run.length <= SHORT:
                split = split.float()
            query, key, value = split.reshape(3, run.count * self.heads, run.window, size).unbind(0)
            scores = torch.bmm(query, key.transpose(1, 2))
            if run.window > run.length:
                scores[:, :, run.length :] = -torch.inf
            if in_range:
                scores -= scores.amax(2, keepdim=True)
            weights = scores.exp_()
            sums = weights.sum(2).view(run.count, self.heads, run.window, 1)[:, :, : run.length]
            found = torch.bmm(weights, value).view(run.count, self.heads, run.window, size)[:, :, : run.length]
            total += sums.sum(dtype=torch.float32)
            into = context[run.start : run.stop].view(run.count, run.length, self.heads, size).transpose(1, 2)
            torch.div(found, sums, out=into)
        total += context.sum(dtype=torch.float32)  # what is no number would be one after int8
        return context, total

    def _pool(self, x: Tensor, run: _Run) -> Tensor:
        tokens = x[run.start : run.stop].view(run.count, run.length, -1)
        return tokens[:, 0].float() if self.pooling == "cls" else tokens.mean(1, dtype=torch.float32)


def _runs(lengths: Sequence[int]) -> list[_Run]:
    runs: list[_Run] = []
    start = 0
    for length, texts in groupby(lengths):
        count = len(list(texts))
        runs.append(_Run(start, count, length))
        start = runs[-1].stop
    return runs


def fill_bins(lengths: Sequence[int]) -> list[list[int]]:
    """Which texts go together, each bin by length: so many tokens that no window passes `BIN`, or one longer text."""
    bins: list[list[int]] = []
    room: list[int] = []
    for text in sorted(range(len(lengths)), key=lambda text: -lengths[text]):
        at = next((i for i, left in enumerate(room) if left >= lengths[text]), None)
        if at is None:
            at = len(bins)
            bins.append([])
            room.append(BIN - STEP + 1)
        bins[at].append(text)
        room[at] -= lengths[text]
    return [texts[::-1] for texts in bins]


def _rows(tokens: int) -> int:
    """Rows of the matrix for so many tokens: few different numbers, as each wants kernels of its own, but for those of
    questions, which would pay for rows that are not used."""
    step = 4 if tokens <= 32 else 16 if tokens <= MANY else 64
    return -(-tokens // step) * step
