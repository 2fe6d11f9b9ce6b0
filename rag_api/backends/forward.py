"""A BERT's forward pass over texts laid end to end, without padding.

Purpose: on processors a padded batch wastes what it pads, and small operators cost as much as matrices.
Mechanism: texts fill bins of `BIN` tokens, so linear layers, which are most of the work, see next to no padding and
few shapes (kernels for a new number of rows take 10 ms and 3 MB). GELU or the residual is added in the same pass. All
matrices can be int8 (`int8`). Attention goes text by text (`attention`).
Where exponentials leave the range of floats, which is rare, a pass is done again with each row's greatest score taken
away from it.
Does not promise: any model but a BERT (`packing`).
One pass runs on the calling thread; several threads may run passes at the same time.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain

import torch
from torch.nn.functional import embedding

from rag_api.backends.attention import SHORT, STEP, Run, Tensor, runs_of
from rag_api.backends.int8 import Int8Layers
from rag_api.backends.linear import Layers, Norm

BIN = 1024
MANY = 256  # tokens: more than questions that are asked at once have


@dataclass(frozen=True, slots=True)
class PackedBert:
    words: Tensor
    positions: Tensor
    norm: Norm
    layers: Layers | Int8Layers
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
        runs = runs_of([len(text) for text in texts])
        used = runs[-1].stop
        unused = _rows(max(run.stop + run.window - run.length for run in runs)) - used
        ids = torch.tensor([*chain.from_iterable(texts), *[0] * unused])
        places = torch.tensor([*chain.from_iterable(range(len(text)) for text in texts), *[0] * unused])
        x = self.norm(embedding(ids, self.words) + embedding(places, self.positions))
        x, sums = self.layers(x, runs, in_range=in_range)
        pooled = torch.cat([self._pool(x, run) for run in runs])
        if not (sums.isfinite() and pooled.isfinite().all()):
            raise OverflowError("attention scores are out of the range in which exponentials are floats")
        return pooled

    def _pool(self, x: Tensor, run: Run) -> Tensor:
        tokens = x[run.start : run.stop].view(run.texts, run.length, -1)
        return tokens[:, 0].float() if self.pooling == "cls" else tokens.mean(1, dtype=torch.float32)


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
    step = 4 if tokens <= 32 else 8 if tokens <= 64 else 16 if tokens <= MANY else 32
    return -(-tokens // step) * step
