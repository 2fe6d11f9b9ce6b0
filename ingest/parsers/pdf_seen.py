"""Which lines of a PDF's page a person sees: on the page, large enough, and of another colour than what is behind them.

Lines that are drawn invisibly, see-through or nearly white are looked at in a picture of the page, as white letters
on a dark bar and the text layer of a scan are right. Judged is a line as a whole, by its first and last letter.
"""

import ctypes

import pypdfium2
from pypdfium2 import raw as pdfium

_SMALLEST = 1.0  # points; nobody reads less
_WHITE = 235
_CONTRAST = 16  # of 255, between the darkest and the lightest of what is there
_SCALE = 2.0
_MOST_PIXELS = 16_000_000


class Sight:
    """Of one page, whose picture is drawn when a line asks for it."""

    def __init__(self, page: pypdfium2.PdfPage, letters: pypdfium2.PdfTextPage) -> None:
        self._page = page
        self._letters = letters
        self._sides = tuple(ctypes.c_double() for _ in range(4))
        self._colour = tuple(ctypes.c_uint() for _ in range(4))
        self._picture: tuple[memoryview, int, int, int] | None = None

    def sees(self, first: int, last: int, size: float) -> bool:
        """A line by its first and last letter."""
        if size < _SMALLEST:
            return False
        left, top, right, bottom = self._pixels(first, last)
        _, width, height = self._size()
        if right < 0 or bottom < 0 or left >= width or top >= height:
            return False
        if not (self._is_faint(first) or self._is_faint(last)):
            return True
        return self._contrast(left, top, right, bottom) >= _CONTRAST

    def _is_faint(self, at: int) -> bool:
        letter = pdfium.FPDFText_GetTextObject(self._letters, at)
        if letter and pdfium.FPDFTextObj_GetTextRenderMode(letter) in (
            pdfium.FPDF_TEXTRENDERMODE_INVISIBLE,
            pdfium.FPDF_TEXTRENDERMODE_CLIP,
        ):
            return True
        if not pdfium.FPDFText_GetFillColor(self._letters, at, *self._colour):
            return False
        red, green, blue, alpha = (part.value for part in self._colour)
        return alpha < 256 - _WHITE or min(red, green, blue) >= _WHITE

    def _size(self) -> tuple[float, int, int]:
        width, height = self._page.get_size()
        scale = min(_SCALE, (_MOST_PIXELS / max(1.0, width * height)) ** 0.5)
        return scale, max(1, int(width * scale)), max(1, int(height * scale))

    def _pixels(self, first: int, last: int) -> tuple[int, int, int, int]:
        _, width, height = self._size()
        across, down = ctypes.c_int(), ctypes.c_int()
        xs, ys = [], []
        for at in (first, last):
            pdfium.FPDFText_GetCharBox(self._letters, at, *self._sides)
            left, right, bottom, top = (side.value for side in self._sides)
            for x, y in ((left, bottom), (right, top)):
                pdfium.FPDF_PageToDevice(self._page, 0, 0, width, height, 0, x, y, across, down)
                xs.append(across.value)
                ys.append(down.value)
        return min(xs), min(ys), max(xs), max(ys)

    def _contrast(self, left: int, top: int, right: int, bottom: int) -> int:
        if self._picture is None:
            bitmap = self._page.render(scale=self._size()[0], grayscale=True)
            try:
                self._picture = memoryview(bytes(bitmap.buffer)), bitmap.width, bitmap.height, bitmap.stride
            finally:
                bitmap.close()
        picture, width, height, stride = self._picture
        left, right = max(0, left), min(width, right + 1)
        rows = [picture[y * stride + left : y * stride + right] for y in range(max(0, top), min(height, bottom + 1))]
        rows = [row for row in rows if len(row)]
        return max(map(max, rows)) - min(map(min, rows)) if rows else 0
