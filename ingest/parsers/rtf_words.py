"""What the words of RTF mean: groups without text, signs, and the code pages of character sets."""

UNSEEN = frozenset(
    "colortbl filetbl listtable listoverridetable revtbl rsidtbl generator pict objdata datastore themedata "
    "colorschememapping latentstyles xmlnstbl header headerl headerr headerf footer footerl footerr footerf fldinst "
    "pgptbl listtext pntext pntxta pntxtb nonesttables mmathPr wgrffmtfilter shpinst sp bkmkstart bkmkend atnid "
    "atnauthor annotation operator company category manager comment doccomm hlinkbase vern deleted xe tc rxe".split()
)
SIGNS = {
    "par": "\n", "sect": "\n", "page": "\n", "line": " ", "tab": "\t", "emdash": "—", "endash": "–", "bullet": "•",
    "lquote": "‘", "rquote": "’", "ldblquote": "“", "rdblquote": "”", "emspace": " ", "enspace": " ", "qmspace": " ",
}  # fmt: skip
SYMBOLS = {"~": "\u00a0", "_": "-", "-": "", "\n": "\n", "\r": "\n", "\t": "\t"}
CHARSETS = {
    77: "mac_roman", 128: "cp932", 129: "cp949", 130: "johab", 134: "gb18030", 136: "big5", 161: "cp1253",
    162: "cp1254", 163: "cp1258", 177: "cp1255", 178: "cp1256", 186: "cp1257", 204: "cp1251", 222: "cp874",
    238: "cp1250",
}  # fmt: skip
CODE_PAGES = {"mac": "mac_roman", "pc": "cp437", "pca": "cp850", "ansi": "cp1252"}
