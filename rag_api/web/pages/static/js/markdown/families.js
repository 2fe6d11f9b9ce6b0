// Families of languages, as far as colouring code needs them: comments, strings, keywords.

const words = (text) => new Set(text.split(" "));
const LINE = "\n";
const BLOCK = ["/*", "*/"];
const SLASHES = [["//", LINE], BLOCK];
const HASH = [["#", LINE]];
const BOTH = ['"', "'"];

const BRACES = {
  comments: SLASHES,
  strings: ["`", ...BOTH],
  keywords: words(
    "abstract as async await bool boolean break byte case catch char class const constexpr continue default defer delete " +
      "do double else enum export extends extern false final finally float fn for from fun func function go goto if impl " +
      "implements import in instanceof int interface let long loop match mod module mut namespace new nil null nullptr " +
      "operator override package private protected pub public range readonly return sealed select self short sizeof static " +
      "string struct super switch template this throw throws trait true try type typedef typeof undefined union unsafe " +
      "unsigned use using val var virtual void volatile when where while with yield",
  ),
};
const PYTHON = {
  comments: HASH,
  strings: ['"""', "'''", ...BOTH],
  hasPrefixes: true, // as f'…'
  keywords: words(
    "and as assert async await break case class continue def del elif else except False finally for from global if import " +
      "in is lambda match None nonlocal not or pass raise return self True try while with yield",
  ),
};
const SCRIPT = {
  comments: HASH,
  strings: BOTH,
  keywords: words(
    "and begin break case class def do done elif else elsif end ensure esac exit export false fi for function if in local " +
      "module next nil not or rescue return self set source super then true unless until unset when while yield",
  ),
};
const SQL = {
  comments: [["--", LINE], BLOCK],
  strings: BOTH,
  isOfAnyCase: true,
  keywords: words(
    "add all alter and as asc begin between by case check commit constraint create cross default delete desc distinct drop " +
      "else end exists false foreign from full group having if in index inner insert into is join key left like limit not " +
      "null offset on or order outer over primary references returning right select set table then true union unique update " +
      "using values view when where with",
  ),
};
const SETTINGS = { comments: HASH, strings: BOTH, keywords: words("true false null yes no on off") };
const VALUES = { comments: SLASHES, strings: ['"'], keywords: words("true false null") };
const STYLES = { comments: [BLOCK], strings: BOTH, keywords: words("and from important not only to") };
const MARKUP = { comments: [["<!--", "-->"]], strings: BOTH, keywords: words(""), hasTags: true };

export const FAMILIES = new Map(
  [
    [
      BRACES,
      "c c++ cc cpp h hpp cs csharp c# d dart go golang groovy java javascript js mjs jsx kotlin kt php scala swift",
    ],
    [BRACES, "ts tsx typescript zig proto protobuf glsl solidity"],
    [{ ...BRACES, strings: ['"'] }, "rust rs"], // 'a is a lifetime
    [PYTHON, "python py python3 pyi starlark"],
    [SCRIPT, "ruby rb elixir julia bash sh shell zsh fish console dockerfile docker makefile make"],
    [SQL, "sql postgres postgresql mysql sqlite tsql"],
    [SETTINGS, "yaml yml toml ini conf properties env nginx"],
    [VALUES, "json jsonc json5 jsonl ndjson"],
    [STYLES, "css scss less"],
    [MARKUP, "html xml xhtml svg vue rss"],
  ].flatMap(([family, names]) => names.split(" ").map((name) => [name, family])),
);
