"""What cosines mean in a generation: what unrelated texts reach, what related ones do, which words are rare. Pure.

The gate's weights were fitted with the default model. Another embedder may put all texts near each other, or tell them
apart by something else than what they are about. So some words of sentences of the collection are asked of it: how far
they stand out against questions about something else says how far cosines must be stretched to mean what they mean with
the default model, and, where they hardly stand out, that they mean nothing.
"""

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from ingest.sentences import sentence_spans
from rag_api.core.words import content_words, roots

# about as many things as there are questions: what a collection comes near by chance
UNRELATED_QUESTIONS = (
    "How long do I have to boil an egg so that the yolk stays soft?",
    "Who won the last football championship?",
    "What is the capital of Mongolia?",
    "How do I change a flat tyre on a bicycle?",
    "When was the first bridge over the river built?",
    "Which vitamin is good for the eyes?",
    "How much does a train ticket to the coast cost?",
    "Why does the sky turn red in the evening?",
    "Who composed the music of the opera about the barber?",
    "How do I sort a list of numbers in a program?",
    "What are the symptoms of an inflamed appendix?",
    "Where do swallows spend the winter?",
    "How many players are in a volleyball team?",
    "What is the penalty for parking in front of a driveway?",
    "When should roses be pruned?",
    "Who invented the sewing machine?",
    "How is the interest on a savings account taxed?",
    "Which planet has the most moons?",
    "What language do they speak in Brazil?",
    "How do I remove red wine from a carpet?",
    "Who painted the ceiling of the chapel?",
    "How deep is the deepest lake in the world?",
    "What is the difference between a virus and a bacterium?",
    "When does the school year begin?",
    "How can I reset the password of my router?",
    "Which king was beheaded after the revolution?",
    "What does a notary charge for a will?",
    "How do bees find their way back to the hive?",
    "Who wrote the novel about the white whale?",
    "How many grams of sugar are in a glass of lemonade?",
    "Where was the peace treaty signed?",
    "What is the boiling point of nitrogen?",
    "How do I train a puppy not to bite?",
    "Which actor played the spy in the first film?",
    "What is the minimum wage for apprentices?",
    "How is glass made?",
    "Who discovered the structure of DNA?",
    "What should I pack for a week in the mountains?",
    "How fast can a cheetah run?",
    "When did people begin to bake bread?",
)
FEWEST_TEXTS = 200  # few texts can't show which words are common: as if there were so many, the others without them
MOST_DRAWN = 40
FEWEST_DRAWN = 20
SENTENCE_WORDS = 5
MAX_SENTENCE_CHARS = 700
WORDS_ASKED = 8
USUAL_SEPARATION = 0.3  # with the default model
LEAST_SEPARATION = 0.15


@dataclass(frozen=True, slots=True)
class Background:
    """What a generation is like where no question leads.

    unrelated: the cosine that a question about something else reaches with its nearest chunk, the median of many;
    texts, frequencies: of how many chunks the words were counted, and in how many each root is; stretch: what makes
    relative cosines those of the default model; is_trusted: whether cosines tell related from unrelated at all.
    """

    unrelated: float
    texts: int
    frequencies: Mapping[str, int]
    stretch: float = 1.0
    is_trusted: bool = True

    def relative(self, cosine: float) -> float:
        """0 for what is as near as anything, 1 for the same text."""
        return min(1.0, self.stretch * relative(cosine, self.unrelated))

    def rarity(self, root: str) -> float:
        """1 for a word that no text has, 0 for one that all have."""
        texts = max(self.texts, FEWEST_TEXTS) + 1
        return math.log(texts / (self.frequencies.get(root, 0) + 0.5)) / math.log(texts / 0.5)


def relative(cosine: float, unrelated: float) -> float:
    return (cosine - unrelated) / max(1 - unrelated, 1e-6)


def stretch(separation: float) -> float:
    """`separation`: the median of what drawn words reach, relative to what unrelated questions do."""
    return max(1.0, USUAL_SEPARATION / max(separation, LEAST_SEPARATION))


def is_trusted(separation: float, *, drawn: int) -> bool:
    return drawn >= FEWEST_DRAWN and separation >= LEAST_SEPARATION


def count_words(texts: Iterable[str]) -> Counter[str]:
    """In how many of the texts each root is."""
    return Counter(root for text in texts for root in roots(text))


def draw_words(texts: Sequence[str]) -> list[str]:
    """Every second content word of a sentence, 8 at most, of up to 40 texts at even distances, of each now an early
    sentence and now a late one."""
    found: list[str] = []
    wanted = min(len(texts), MOST_DRAWN)
    for n in range(wanted):
        text = texts[n * len(texts) // wanted]
        spans = (span for span in sentence_spans(text) if span.end - span.start <= MAX_SENTENCE_CHARS)
        said = [words for words in (content_words(span.of(text)) for span in spans) if len(words) >= SENTENCE_WORDS]
        if said:
            found.append(" ".join(said[n % len(said)][::2][:WORDS_ASKED]))
    return found
