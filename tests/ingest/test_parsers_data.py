"""JSON, XML, notebooks, subtitles and RTF."""

import json
from pathlib import Path

import pytest

from ingest.errors import BrokenDocument, DocumentTooLarge, EmptyDocument
from tests.ingest.reading import document_of, sections_of, text_of


def test_json_keeps_names_rows_and_sections(tmp_path: Path) -> None:
    value = {
        "birds": [{"name": "Duck", "food": ["weed", "bread"], "size": {"cm": 50}}, {"name": "Swan", "food": None}],
        "title": "On Ducks",
        "wild": True,
        "lake": {"depth": 3, "notes": ["first line\nsecond line", "short"]},
    }
    document = document_of(tmp_path, "a.json", json.dumps(value))
    assert document.text == (
        "title: On Ducks\nwild: true\n\nbirds\n\n"
        "name: Duck; food: weed, bread; size.cm: 50\nname: Swan\n\n"
        "lake\n\ndepth: 3\n\nnotes\n\nfirst line\nsecond line\n\n- short"
    )
    assert document.section_at(document.text.index("second")) == "lake > notes"
    assert document.title == "On Ducks"


def test_records_in_records_of_json_are_told_after_them(tmp_path: Path) -> None:
    value = [{"order": 1, "items": [{"what": "oil"}, {"what": "salt"}]}]
    assert text_of(tmp_path, "a.json", json.dumps(value)) == "order: 1\nwhat: oil\nwhat: salt"


@pytest.mark.parametrize("raw", [b"{", b'{"a": ' + b"[" * 90 + b"1" + b"]" * 90 + b"}", b'["\\ud800"]', b"[" * 100_000])
def test_json_that_is_none_or_too_deep_is_broken(tmp_path: Path, raw: bytes) -> None:
    with pytest.raises(BrokenDocument, match=r"'a\.json'"):
        text_of(tmp_path, "a.json", raw)


@pytest.mark.parametrize("raw", ["{}", "[]", "null", '[{"a": null}, []]'])
def test_json_without_words_is_empty(tmp_path: Path, raw: str) -> None:
    with pytest.raises(EmptyDocument, match="a"):
        text_of(tmp_path, "a.json", raw)


@pytest.mark.parametrize(
    ("name", "module"), [("a.json", "json"), ("a.xml", "xml"), ("a.ipynb", "ipynb"), ("a.rtf", "rtf")]
)
def test_what_is_read_whole_has_a_limit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, module: str
) -> None:
    monkeypatch.setattr(f"ingest.parsers.{module}._MOST_BYTES", 10)
    with pytest.raises(DocumentTooLarge, match=name):
        text_of(tmp_path, name, "{\\rtf1 and some more bytes")


def test_records_of_xml_are_rows_and_prose_is_whole(tmp_path: Path) -> None:
    xml = """<?xml version="1.0" encoding="iso-8859-1"?>
    <guide lang="en"><title>Öl</title>
      <chapter><title>Birds</title>
        <bird id="d"><name>Duck</name><food kind="plant">weed</food></bird>
        <para>They <em>often</em> eat.</para>
      </chapter>
      <!-- left out --></guide>"""
    document = document_of(tmp_path, "a.xml", xml.encode("latin-1"))
    assert document.text.split("\n\n") == [
        "lang: en; title: Öl",
        "Birds",
        "title: Birds\nid: d; name: Duck; food kind: plant; food: weed",
        "They often eat.",
    ]
    assert document.title == "Öl"
    assert sections_of(document) == [("Birds",)]


@pytest.mark.parametrize("entity", ['SYSTEM "file:///etc/passwd"', '"expanded"'])
def test_entities_in_xml_are_not_expanded(tmp_path: Path, entity: str) -> None:
    with pytest.raises(BrokenDocument, match="entities"):
        text_of(tmp_path, "a.xml", f"<!DOCTYPE d [<!ENTITY x {entity}>]><d>&x;</d>")


@pytest.mark.parametrize("raw", ["<a>", "no XML at all", "<a>" * 5_000 + "</a>" * 5_000])
def test_xml_that_is_not_well_formed_or_too_deep_is_broken(tmp_path: Path, raw: str) -> None:
    with pytest.raises(BrokenDocument, match=r"'a\.xml'"):
        text_of(tmp_path, "a.xml", raw)


def test_cells_of_a_notebook(tmp_path: Path) -> None:
    cells = [
        {"cell_type": "markdown", "source": ["# On Ducks\n", "* one\n", "  * two"]},
        {
            "cell_type": "code",
            "source": "for x in y:\n    print(x)",
            "outputs": [
                {"output_type": "stream", "text": ["\x1b[31m7\x1b[0m\n"]},
                {"output_type": "display_data", "data": {"image/png": "aaaa", "text/plain": "<Figure>"}},
                {"output_type": "error", "ename": "KeyError", "evalue": "'a'", "traceback": ["noise"]},
            ],
        },
        {"cell_type": "markdown", "source": "## Water"},
    ]
    document = document_of(tmp_path, "a.ipynb", json.dumps({"cells": cells, "nbformat": 4}))
    assert document.text == (
        "# On Ducks\n* one\n  * two\n\nfor x in y:\n    print(x)\n\n7\n\n<Figure>\n\nKeyError: 'a'\n\n## Water\n\n"
    )
    assert sections_of(document) == [("On Ducks",), ("On Ducks", "Water")]
    assert document.title == "On Ducks"


@pytest.mark.parametrize("raw", ["[]", "{}", '{"cells": 3}', "x"])
def test_a_notebook_without_cells_is_broken(tmp_path: Path, raw: str) -> None:
    with pytest.raises(BrokenDocument, match=r"'a\.ipynb'"):
        text_of(tmp_path, "a.ipynb", raw)


def test_what_one_speaker_says_is_a_paragraph_with_its_time(tmp_path: Path) -> None:
    vtt = (
        "WEBVTT - Ducks\n\nNOTE not said\n\nSTYLE\n::cue { color: red }\n\n"
        "1\n00:01.000 --> 00:03.000 align:left\n<v Ann>They <i>eat</i>\n\n"
        "00:03.000 --> 00:05.000\n<v Ann>weed &amp; bread.</v>\n\n"
        "00:05.000 --> 00:06.000\n<v Bob>Do they?\n\n"
        "01:00:00.000 --> 01:00:02.000\nlater"
    )
    document = document_of(tmp_path, "a.vtt", vtt)
    assert document.text == "[00:00:01] Ann: They eat weed & bread.\n[00:00:05] Bob: Do they?\n[01:00:00] later"
    assert document.title == "Ducks"


def test_subtitles_of_srt(tmp_path: Path) -> None:
    srt = (
        "1\r\n00:00:01,000 --> 00:00:02,500\r\nANN: {\\an8}They eat\r\nweed.\r\n\r\n"
        "2\r\n00:00:09,000 --> 00:00:10,000\r\nAll day.\r\n"
    )
    assert text_of(tmp_path, "a.srt", srt) == "[00:00:01] ANN: They eat weed.\n[00:00:09] All day."


def test_lines_that_roll_up_are_said_once(tmp_path: Path) -> None:
    said = ("they eat", "they eat", "weed")
    cues = (f"00:0{at}.000 --> 00:0{at + 1}.000\n{text}\n" for at, text in enumerate(said, start=1))
    vtt = "WEBVTT\n\n" + "\n".join(cues)
    assert text_of(tmp_path, "a.vtt", vtt) == "[00:00:01] they eat weed"


def test_a_long_speech_is_cut_after_a_sentence(tmp_path: Path) -> None:
    cues = "".join(f"00:{at:02}.000 --> 00:{at + 1:02}.000\nSentence {at}.\n\n" for at in range(59))
    lines = text_of(tmp_path, "a.vtt", f"WEBVTT\n\n{cues}").split("\n")
    assert [line[:10] for line in lines] == ["[00:00:00]", "[00:00:30]"]
    assert lines[0].endswith("Sentence 29.")


def test_subtitles_without_times_are_broken(tmp_path: Path) -> None:
    with pytest.raises(BrokenDocument, match=r"'a\.srt'"):
        text_of(tmp_path, "a.srt", "1\nno times\n")


RTF = (
    r"{\rtf1\ansi\ansicpg1252\deff0{\fonttbl{\f0\fnil Arial;}{\f1\fnil\fcharset204 Arial Cyr;}}"
    r"{\stylesheet{\s0 Normal;}{\s1\b heading 1;}}{\info{\title On Ducks}{\author Ann}}{\*\generator Word;}"
    r"\pard\s1 Food\par\pard\plain They eat gr\'fcn \u8364?5 \ldblquote weed\rdblquote{\footnote A note.}.\par"
    r"{\f1\'cf\'f0\'e8\'e2\'e5\'f2}{\v hidden} \u55357?\u56832?\par"
    r"\trowd\pard\intbl Bird\cell Food\cell\row\trowd\pard\intbl Duck\cell we\par ed\cell\row"
    r"\pard After {\field{\*\fldinst HYPERLINK \\\\x}{\fldrslt a link}}{\pict 0102}\bin2 }}\{\par}"
)


def test_rtf_is_read_as_it_looks(tmp_path: Path) -> None:
    document = document_of(tmp_path, "a.rtf", RTF)
    assert document.text == (
        "Food\n\nThey eat grün €5 “weed”.\n\nПривет 😀\n\nBird: Duck; Food: we ed\n\nAfter a link{\n\nA note."
    )
    assert sections_of(document) == [("Food",)]
    assert (document.title, document.metadata) == ("On Ducks", {"author": "Ann"})


@pytest.mark.timeout(20)
@pytest.mark.parametrize("raw", ["{\\rtf1" + "{" * 300_000, "{\\rtf1" + "}" * 300_000 + "x", "{\\rtf1\\u" * 50_000])
def test_rtf_may_be_nested_as_deeply_as_it_likes(tmp_path: Path, raw: str) -> None:
    assert text_of(tmp_path, "a.rtf", raw + " words")
