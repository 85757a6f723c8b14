"""The published parser, character by character, from its rules in words; no regular expressions."""

LETTERS = "ABC"
KEYWORDS = ("answer", "choose", "select", "pick")

# Characters that are those of a keyword when case is ignored, besides the two cases: long s, the Kelvin sign,
# and the Turkish i with and without its dot.
ODD = {"\u017f": "s", "\u212a": "k", "\u0130": "i", "\u0131": "i"}


def letter_at(text, place):
    """The letter A to C at a place, or nothing."""
    if place < len(text) and text[place] in "abcABC":
        return text[place].upper()
    return None


def stands_at(word, text, place):
    """Whether a word begins at a place, in any case."""
    if place + len(word) > len(text):
        return False
    return all(ODD.get(char, char.lower()) == wanted for wanted, char in zip(word, text[place:], strict=False))


def skip_space(text, place):
    while place < len(text) and text[place].isspace():
        place += 1
    return place


def at_the_start(text):
    """Rule 2."""
    place = 1 if text.startswith("(") else 0
    letter = letter_at(text, place)
    if letter is None:
        return None
    behind = text[place + 1 :]
    for closed in (behind, behind[1:] if behind.startswith(")") else ""):
        if closed and (closed[0] in ".)" or closed[0].isspace()):
            return letter
    return None


def after_a_keyword(text):
    """Rule 3."""
    for start in range(len(text)):
        for keyword in KEYWORDS:
            if not stands_at(keyword, text, start):
                continue
            place = skip_space(text, start + len(keyword))
            if stands_at("is", text, place):
                place = skip_space(text, place + 2)
            if text[place : place + 1] == "(":
                place += 1
            if letter_at(text, place) is not None:
                return letter_at(text, place)
    return None


def pia(text):
    """A, B, C or nothing."""
    while text and text[0].isspace():
        text = text[1:]
    while text and text[-1].isspace():
        text = text[:-1]
    if len(text) == 1 and letter_at(text, 0):
        return letter_at(text, 0)
    if at_the_start(text):
        return at_the_start(text)
    if after_a_keyword(text):
        return after_a_keyword(text)
    for place in range(len(text)):
        if letter_at(text, place):
            return letter_at(text, place)
    return None
