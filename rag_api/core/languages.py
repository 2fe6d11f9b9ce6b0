"""Which language a short text is in, of a few. Pure.

A script that one language writes tells it at once. Languages in Latin letters are told by their commonest words, each
worth the less the more of these languages have it, and by letters of their own. Who says nothing of the kind is taken
for English. How often that is right: docs/decisions/0018-prompts.md.
"""

import re
from collections import Counter
from collections.abc import Mapping

_WORD = re.compile(r"[^\W\d_]+")
_COMMON: Mapping[str, str] = {
    "en": "the of and to in is it you that for on are as with they be at this from have or by what when where which "
    "who whom whose why how does do did can could should would will was were has had not there about if any an i my "
    "we our your their its than a get many much long these those",
    "de": "der die das den dem des ein eine einen einem einer eines und oder ist sind war waren wird werden wurde "
    "hat haben hatte kann können muss müssen soll darf nicht kein keine mit von vom zu zum zur für auf aus bei beim "
    "nach über unter vor wie was wer wem wen wo wann warum wieso weshalb welche welcher welches welchen wohin woher "
    "wieviel viele viel lange es gibt gibts ich du er sie wir ihr man mein meine unser unsere sich auch im am "
    "als wenn dass bis um sein noch nur heißt macht kostet bekomme",
    "fr": "le la les l un une des du de d et ou est sont était a ont peut peuvent doit faut ne pas n que qu qui quoi "
    "quel quelle quels quelles comment pourquoi quand où combien dans sur sous avec sans pour par au aux en ce cette "
    "ces c cet il elle ils elles on je j tu nous vous mon ma mes son sa ses leur leurs notre nos votre vos se s plus "
    "y à être avoir fait y-a-t-il dois puis-je puis si entre",
    "es": "el la los las un una unos unas de del y o es son era fue está están hay ha han puede pueden debe qué que "
    "quién quiénes cuál cuáles cómo dónde adónde cuándo cuánto cuánta cuántos cuántas por para con sin en al a se no "
    "su sus mi mis lo le les yo tú nosotros este esta estos estas ese esa como si más sobre entre puedo tengo hace "
    "tiene porqué cual donde cuando quien ser",
    "it": "il lo la i gli le un uno una di del dello della dei degli delle e o è sono era ha hanno può possono deve "
    "che chi cosa cos quale quali qual come dove dov quando quanto quanta quanti quante perché perche per con senza "
    "in nel nello nella nei nelle su sul sulla da dal dalla al allo alla ai alle a non si ci c mi io noi questo questa "
    "questi queste quello più fra tra posso devo essere mio mia suo sua anche se l un'",
    "pt": "o a os as um uma uns umas de do da dos das e ou é são era foi está estão há tem têm pode podem deve que "
    "quem qual quais como onde quando quanto quanta quantos quantas por porque porquê para com sem em no na nos nas "
    "ao aos à às se não seu sua seus suas meu minha eu nós este esta isto esse essa isso mais sobre entre posso "
    "preciso faz ser pelo pela num numa",
    "nl": "de het een en of is zijn was waren wordt worden werd heeft hebben had kan kunnen moet moeten mag niet geen "
    "met van voor op uit bij naar over onder door aan in te wie wat waar wanneer waarom hoe welke welk hoeveel "
    "waarvoor waarmee er ik je jij u we wij hij zij ze mijn ons onze uw hun dit dat deze die als om tot nog ook maar "
    "zich lang veel doet krijg",
    "pl": "i w z na do od dla o u po za przez przy nad pod jest są był była było były być może mogą można musi nie "
    "się co kto kogo komu czym jaki jaka jakie jakich gdzie kiedy dlaczego czemu jak ile czy który która które "
    "których to ten ta te tego tej mój moja mnie ja my oraz lub albo ze że a jako ich jego jej nasz skąd dokąd",
    "sv": "och är som en ett den det de att på av för med till från om inte kan ska skall vill hur vad vem var när "
    "varför vilken vilket vilka du jag vi ni han hon din ditt dina sin har hade blir eller men under efter vid finns",
    "da": "og er som en et den det de at på af for med til fra om ikke kan skal vil hvordan hvad hvem hvor hvornår "
    "hvorfor hvilken hvilket hvilke du jeg vi han hun din dit dine sin har havde bliver eller men under ved findes",
    "ca": "el la els les un una uns unes de del dels d l i o és són era està hi ha han pot poden ha què qui quin quina "
    "quins quines com on quan quant quants per amb sense en al als a no se s seu seva són aquest aquesta aquests més "
    "voleu s'ha cal es que vol jo meu meva",
}
_LETTERS: Mapping[str, str] = {"de": "ßü", "fr": "œêèçîûëï", "es": "ñ¿¡", "pt": "ãõ", "pl": "łąęśżźćń", "it": "ìò"}
_FOREIGN = frozenset("åøæřěůőűğışțţăđħþðčšžľĺŕāēīūķļņģėųįơư")  # of languages in Latin letters that are not here
_NOT_RUSSIAN = frozenset("іїєґўђјљњћџѓќѕәғқңөұүһ")
_SCRIPTS = (
    ("ja", re.compile(r"[\u3040-\u30ff]")),
    ("ko", re.compile(r"[\uac00-\ud7af\u1100-\u11ff]")),
    ("zh", re.compile(r"[\u3400-\u9fff\uf900-\ufaff]")),
    ("ru", re.compile(r"[\u0400-\u04ff]")),
)
LANGUAGES = (*_COMMON, *(language for language, _ in _SCRIPTS))
DEFAULT = "en"
LETTER = 0.5  # what a letter of its own is worth beside a word of its own
LEAST = 0.5
SIGNS_A_WORD = 5  # Latin letters that one of another script outweighs: names are often written in them
_SHARED = Counter(word for words in _COMMON.values() for word in set(words.split()))
_SPEAKERS = {word: [language for language in _COMMON if word in _COMMON[language].split()] for word in _SHARED}


def guess_language(text: str) -> str:
    """One of LANGUAGES; English where nothing tells."""
    folded = text.casefold()
    characters = set(folded)
    for language, script in _SCRIPTS:
        found = 0 if folded.isascii() else len(script.findall(folded))
        if found and (language == "ja" or found * SIGNS_A_WORD > sum(map(str.isalpha, folded))):
            return DEFAULT if language == "ru" and _NOT_RUSSIAN & characters else language
    if _FOREIGN & characters:
        return DEFAULT
    scores = dict.fromkeys(_COMMON, 0.0)
    for word in _WORD.findall(folded):
        for language in _SPEAKERS.get(word, ()):
            scores[language] += 1 / _SHARED[word]
    for language, letters in _LETTERS.items():
        scores[language] += LETTER * len(characters.intersection(letters))
    best = max(scores, key=lambda language: (scores[language], language == DEFAULT))
    return best if scores[best] >= LEAST else DEFAULT
