"""The words that knowledge mentions, as they are looked for while somebody types.

Each word of a piece of knowledge is a relationship from the piece to itself,
(:Knowledge)-[:MENTIONS {word, place, item, agentId}]->(itself): two indexes over these are a trie, which knows of a
piece as soon as that is committed, and of which any page costs the same. They come and go with the piece, whose
property `words` has all of them after a space each: whether it has another as well is told by one property.
"""

import re
import unicodedata

# What a word is looked for by: its first letters.
LONGEST_WORD = 40
# Of one piece of knowledge; the topic's words are the first.
MOST_WORDS = 100

# What Unicode takes for letters of their own, and readers for others with a stroke or tied together.
LETTERS = str.maketrans(
    {"ø": "o", "đ": "d", "ð": "d", "ł": "l", "ħ": "h", "ŧ": "t", "\u0131": "i", "æ": "ae", "œ": "oe", "þ": "th"}
)
# Letters and digits. Beyond the Basic Multilingual Plane, indexes sort otherwise than comparisons do.
WORD = re.compile(r"[^\W_\U00010000-\U0010ffff]+")

TOPIC, CONTENT = 0, 1


def fold(text: str) -> str:
    """Leaves out case, diacritics and forms: Éponine, EPONINE and eponine are the same."""
    letters = unicodedata.normalize("NFKD", text.casefold())
    bare = "".join(each for each in letters if unicodedata.category(each)[0] != "M")
    return bare.casefold().translate(LETTERS)


def words_in(text: str) -> list[str]:
    """Lists the folded words of a text, each once, cut to what is kept of them."""
    return list(dict.fromkeys(word[:LONGEST_WORD] for word in WORD.findall(fold(text))))


def mentions(topic: str, content: str) -> list[list[str | int]]:
    """Lists what is kept of a piece of knowledge: each of its words, and whether the topic has it or the content."""
    places = dict.fromkeys(words_in(topic), TOPIC)
    for word in words_in(content):
        places.setdefault(word, CONTENT)
    return [[word, place] for word, place in list(places.items())[:MOST_WORDS]]
