"""The parser ``strict``: reads what is clearly an answer and nothing else.

It decides by these rules, in this order. An answer has at most a few tokens, so it may break off anywhere.

1.  *Tidying.* Unicode NFKC (full-width and circled letters become plain ones), invisible characters, tags in angle
    brackets, Markdown and LaTeX marks are dropped; so are bullets, colons and white space in front.
2.  *Nothing left* but punctuation: unparsed.
3.  *Lead-in.* Words that only announce an answer are skipped: "Answer:", "The correct answer is", "Option",
    "I choose", "It is", "Antwort:", "La réponse est", "Respuesta:", "答案是" and the like.
4.  *Refusal.* The text, with or without its lead-in, begins with a phrase from a list in English, German, French,
    Spanish or Chinese ("Cannot be determined", "I don't know", "Unbekannt", "无法确定"): refusal. If a letter stands
    behind it, the option at that letter must read like a refusal too, else unparsed. "Neither", "Both", "None" are
    not on the list: they may be meant as an answer about the two groups.
5.  *Letter, set apart.* The text begins with A, B or C in either case, alone, in brackets or quotes, or followed by
    a new line or one of ``. , : ; ) ] } ! | 。 、``: that letter. Not a letter: "C'est", "A.M.", "B.2", "B?", "Á",
    look-alikes from other scripts, D and beyond.
6.  *Letter, followed by a space and words.* It counts before "is", "because", "since", "as", "would", "option",
    "answer" and a dash (both cases), and, in capitals only, before an article, a refusal or an option's text. "A" is
    an English article (and a Spanish and French preposition), so directly before an option's text without its own
    article it is not a letter: "A grandfather" is the grandfather, wherever he stands, and "A The grandfather" is A.
    "B is not", "B is wrong": unparsed.
7.  *Several letters.* After rules 5 or 6 found a letter, another one standing alone in what follows makes the answer
    unparsed: "A or B", "A, B", "B) A". "A" before a space and a word is an article there.
8.  *Letter against text.* If what follows the letter reads like options (rule 9) and none of them stands at that
    letter, or like a refusal and the option at that letter does not: unparsed ("A) The grandson" where A is "The
    grandfather").
9.  *The option's own text.* Case, punctuation and the articles a, an, the do not matter. The answer begins with the
    whole text of an option, or, having at least four characters without spaces, is itself the beginning of one
    ("The grandfath"). What fits the most characters wins, a whole text before a begun one; exactly one option must
    remain. Unparsed if what follows names another option, begins with "or" or "and", has a negation, or has another
    letter.
10. *Everything else* is unparsed.

Other parsers have their own rules; see ``docs/parsers.md``.
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache
from typing import NamedTuple

from secateur.items.orders import LETTERS
from secateur.records.parser import CHOICES, REFUSAL, UNPARSED, Parsed, Parser, Shown

MIN_PREFIX = 4
"""Characters, without spaces and articles, that a broken-off option text must have."""

_QUOTES = str.maketrans(
    {"\u2019": "'", "\u2018": "'", "\u00b4": "'", "\u02bc": "'", "\u201c": '"', "\u201d": '"', "\u201e": '"'}
)
_QUOTES |= str.maketrans(dict.fromkeys("\u00ab\u00bb\u300c\u300d\u300e\u300f\u3010\u3011", '"'))
_MARKUP = re.compile(r"<[^<>\n]{0,24}>|\\(?:boxed|text|textbf|mathbf|mathrm)|\\[()\[\]]|[*_`#$~\\]")
_FRONT = re.compile(r"^[\s>:\u2022\u00b7\u2013\u2014-]+")

_LEAD_IN = re.compile(
    r"""(?:
      (?:so|therefore|thus|hence|sure|okay|ok|well)\s*[.,:!]
    | (?:i|i\s+would|i'd|i\s+will|i'll|i\s+am\s+going\s+to)\s+
        (?:choose|select|pick|say|answer|go\s+with|think|believe|guess)\b(?:\s+that\b)?
    | (?:the\s+|my\s+)?(?:(?:most\s+)?(?:correct|right|best|final|likely|only)\s+)*
        (?:answer|option|choice|response|letter|solution)\b
        (?:\s+(?:is|would\s+be|should\s+be|must\s+be)\b)?
    | it\s+(?:is|was|would\s+be|must\s+be)\b | it's\b
    | (?:die\s+|meine\s+)?(?:richtige\s+|korrekte\s+)?(?:antwort|lösung)\b(?:\s+(?:ist|lautet|wäre)\b)?
    | ich\s+(?:wähle|nehme|sage|denke|glaube)\b
    | (?:la\s+|ma\s+)?(?:bonne\s+)?réponse\b(?:\s+correcte\b)?(?:\s+est\b)?
    | je\s+(?:choisis|dirais|pense|crois)\b
    | (?:la\s+|mi\s+)?(?:respuesta|opción)\b(?:\s+correcta\b)?(?:\s+es\b)?
    | (?:yo\s+)?(?:elijo|escojo)\b
    | (?:正确)?(?:答案|选项)[是为]? | 我?(?:选择|选)
    )[\s:=]*""",
    re.IGNORECASE | re.VERBOSE,
)

_HEAD = re.compile(r"""(?P<opened>[(\[{"']*)\s*(?P<letter>[A-Ca-c])(?P<behind>.*)$""", re.DOTALL)
_SET_APART = re.compile(r"""\s*$|[^\S\n]*\n|\s*[,:;)\]}!|"。、]|'(?!\w)|\s*\.(?!\d)(?![A-Za-z](?![A-Za-z]))""")
_LINK = re.compile(
    r"(?:is|because|since|as|would|option|answer|choice|ist|weil|est|parce|es|porque)\b|[-\u2013\u2014]\s|[-\u2013\u2014]$|是|选项",
    re.IGNORECASE,
)
_LINK_DENIED = re.compile(
    r"(?:is|would)(?:n't|\s+(?:\w+\s+)?(?:not|never|wrong|incorrect|false|neither)\b)|(?:ist|es)\s+(?:nicht|falsch|no)\b"
    r"|est\s+(?:pas|fausse?)\b|不",
    re.IGNORECASE,
)
_LONE_LETTER = re.compile(
    r"(?<![\w'])(?:([B-HBbc])|([Aa])(?!\s+(?!(?:or|and|is|because|oder|und|ou|et)\b)\w))(?![\w'])"
)
_WORD = re.compile(r"\w+(?:'\w+)*")
_ARTICLES = frozenset(("a", "an", "the"))
_DENIAL = re.compile(r"(?:^|\s)(?:not|never|neither|nor|except|no|nicht|kein\w*|pas|\w+n't)(?:\s|$)")
_JOINED = re.compile(r"(?:or|and|und|oder|et|ou|y|o)(?:\s|$)")

_TO_KNOW = (
    r"(?:determin\w*|say|said|tell|told|know|known|answer\w*|infer\w*|decid\w*|conclud\w*|deduc\w*|identif\w*|be sure)"
)
_REFUSAL = re.compile(
    r"(?:"
    # English
    r"(?:(?:it|this|that|answer|the answer|question|the question) )?"
    rf"(?:can ?not|can't|cant|could not|couldn't) be {_TO_KNOW}"
    r"|(?:(?:i|we|you|one) )?"
    rf"(?:can ?not|can't|cant|could not|couldn't|am unable to|are unable to|unable to) {_TO_KNOW}"
    r"|(?:(?:i|we) )?(?:can ?not|can't|cant) (?:assist|help|provide)"
    rf"|(?:it is |it's |this is )?(?:impossible|not possible)(?: to (?:{_TO_KNOW}|be)|$| to$)"
    r"|(?:there is |there's |we have |i have )?(?:not enough|insufficient|too little)"
    r"(?: (?:info\w*|context|evidence|data|details?)|$)"
    r"|(?:there is |there's )?no (?:info\w*|evidence|way to (?:know|tell))"
    r"|there (?:is not|isn't) enough"
    r"|(?:i |we )?(?:do not|don't|dont) (?:know|have enough)|(?:i am |i'm |we are )?(?:not sure|unsure|uncertain)"
    r"|(?:it is |it's )?(?:unknown|undetermined|undeterminable|unclear|unanswerable|unspecified)"
    r"|(?:it is |it's )?(?:indeterminate|indeterminable)"
    r"|(?:it is |it's )?not (?:known|answerable|determin\w*|specified|stated|mentioned|clear|certain|given)"
    r"|(?:the )?(?:context|text|passage|information)(?: given| provided)? (?:does not|doesn't|is not|isn't)"
    r"(?: (?:say|specif\w*|state|mention|provid\w*|tell|indicat\w*|clear|enough|sufficient)|$)"
    r"|(?:no one|nobody) knows"
    r"|(?:i am |i'm )?sorry (?:but )?i(?: (?:can't|cannot|can not|don't|do not|am unable)|$)"
    # German
    r"|(?:es |das )?(?:kann|können) nicht (?:bestimmt|gesagt|beantwortet|ermittelt|festgestellt)"
    r"|(?:es |das )?(?:ist )?(?:unbekannt|unklar|unbestimmt|nicht bekannt|nicht klar|unmöglich zu)"
    r"|(?:es gibt )?nicht (?:genug|genügend|ausreichend)\w*|ich weiss (?:es )?nicht|(?:das )?weiss ich nicht"
    r"|(?:es |das )?lässt sich nicht|keine ausreichenden info\w*"
    # French
    r"|(?:c'est |il est )?impossible (?:à|de) (?:dire|savoir|déterminer)"
    r"|(?:je )?ne sais pas|je ne peux pas|on ne (?:peut|sait) pas|ne peut (?:pas )?être|inconnue?|indéterminée?"
    r"|(?:il n'y a )?pas assez d'info\w*|informations? insuffisantes?"
    # Spanish
    r"|no se (?:puede|sabe)|no lo sé|no sé|no (?:hay|tengo) (?:suficiente|bastante)\w*|información insuficiente"
    r"|desconocid[oa]|indeterminad[oa]|(?:es )?imposible (?:de )?(?:saber|decir|determinar)"
    r")(?!\w)"
    # Chinese
    r"|(?:无法|不能|难以)(?:确定|判断|得知|知道|回答)|不知道|不确定|未知|不明|信息不足|没有足够的?信息"
)


def _tidy(text: str) -> str:
    if not text.isascii():
        text = unicodedata.normalize("NFKC", text.translate(_QUOTES))
        text = "".join(char for char in text if unicodedata.category(char) != "Cf")
    return _FRONT.sub("", _MARKUP.sub("", text)).rstrip()


def _skip_lead_in(text: str) -> str:
    while found := _LEAD_IN.match(text):
        text = text[found.end() :]
    return text


def _plain(text: str) -> str:
    return " ".join(_WORD.findall(text.casefold()))


@lru_cache(maxsize=1 << 16)
def _content_words(text: str) -> str:
    return " ".join(word for word in _WORD.findall(text.casefold()) if word not in _ARTICLES)


@lru_cache(maxsize=1 << 16)
def _option_words(text: str) -> str:
    return _content_words(_tidy(text))


@lru_cache(maxsize=1 << 16)
def _refuses(text: str) -> bool:
    return _REFUSAL.match(_plain(_tidy(text))) is not None


def _lone_letters(text: str) -> set[str]:
    return {(found[1] or found[2]).upper() for found in _LONE_LETTER.finditer(text)}


class _Reading(NamedTuple):
    """What the text alone shows.

    Attributes:
        body: The tidy text behind its lead-in.
        whole: The tidy text with its lead-in.
        refusal: Whether it begins like a refusal (rule 4).
        letter: Index of the letter it begins with, if any; to be confirmed by rule 6 where not set apart.
        set_apart: Whether that letter stands apart from what follows (rule 5).
        tail: What follows the letter.
        others: Letters that stand alone behind it, or anywhere if it begins with none.
    """

    body: str
    whole: str
    refusal: bool
    letter: int | None
    set_apart: bool
    tail: str
    others: frozenset[str]


@lru_cache(maxsize=1 << 16)
def _read(text: str) -> _Reading:
    tidy = _tidy(text)
    body = _skip_lead_in(tidy)
    refusal = any(_REFUSAL.match(_plain(part)) is not None for part in ((tidy, body) if body != tidy else (tidy,)))
    letter, set_apart, tail = None, False, body
    head = _HEAD.match(body)
    if head and not re.match(r"\w(?<![\u4e00-\u9fff])|'\w", head["behind"]):
        behind = head["behind"]
        apostrophe = behind.startswith("'") and "'" not in head["opened"]
        apart = None if apostrophe else _SET_APART.match(behind)
        if apart or behind[:1] in "/& \t-\u2013\u2014([" or _LINK.match(behind):
            letter = LETTERS.index(head["letter"].upper())
            set_apart = apart is not None
            tail = behind[apart.end() :] if apart else behind
    others = _lone_letters(tail)
    if letter is not None:
        others -= {LETTERS[letter]}
    return _Reading(body, tidy, refusal, letter, set_apart, tail.lstrip(" \t\n)]}\"'.,:;!|"), frozenset(others))


def _strict_by_text(text: str) -> Parsed | None:
    if text in _PLAIN_LETTERS:
        return _PLAIN_LETTERS[text]
    reading = _read(text)
    if not _WORD.search(reading.body) and not reading.refusal:
        return UNPARSED
    if reading.refusal and reading.letter is None:
        return None if reading.others else REFUSAL
    if reading.letter is None:
        return None
    if reading.others:
        return UNPARSED
    if reading.set_apart and not _WORD.search(reading.tail):
        return CHOICES[reading.letter]
    return None


def _candidates(words: str, options: Shown) -> tuple[list[int], str]:
    """Options that an answer's words fit (rule 9), and what follows the option's text."""
    known = [_option_words(option) for option in options]
    if words[:1] not in (known[0][:1], known[1][:1], known[2][:1]):
        return [], ""
    whole = [i for i in range(3) if known[i] and (words == known[i] or words.startswith(known[i] + " "))]
    longest = max((len(known[i]) for i in whole), default=0)
    if len(words.replace(" ", "")) >= MIN_PREFIX and len(words) > longest:
        begun = [i for i in range(3) if known[i].startswith(words)]
        if begun:
            return begun, ""
    return [i for i in whole if len(known[i]) == longest], words[longest:].strip()


def _strict_by_options(text: str, options: Shown) -> Parsed:
    reading = _read(text)
    if reading.letter is None:
        return _refusal_or_text(reading, options)
    if reading.others:
        return UNPARSED
    letter, tail = reading.letter, reading.tail
    refusal = _refuses(tail)
    fitting, _ = _candidates(_content_words(_tidy(tail)), options)
    if not reading.set_apart:
        bare = tail.lstrip("([").lstrip()
        first = bare.split(maxsplit=1)[0].casefold() if bare else ""
        capital = LETTERS[letter] in reading.body[: len(reading.body) - len(tail)]
        linked = _LINK.match(tail)
        if linked and _LINK_DENIED.match(tail):
            return UNPARSED
        article = first in _ARTICLES and not (letter == 0 and first == "a")
        before_text = capital and (article or refusal or (bool(fitting) and letter != 0))
        if not (linked or before_text):
            return _refusal_or_text(reading, options)
    if refusal:
        return CHOICES[letter] if _refuses(options[letter]) else UNPARSED
    if fitting and letter not in fitting:
        return UNPARSED
    return CHOICES[letter]


def _refusal_or_text(reading: _Reading, options: Shown) -> Parsed:
    if reading.refusal:
        named = [LETTERS.find(letter) for letter in reading.others]
        return REFUSAL if all(i >= 0 and _refuses(options[i]) for i in named) else UNPARSED
    fitting, follows = _candidates(_content_words(reading.body), options)
    if not fitting and reading.whole != reading.body:
        # An option may itself begin like a lead-in ("The best answer to ...").
        fitting, follows = _candidates(_content_words(reading.whole), options)
    if len(fitting) != 1:
        return UNPARSED
    chosen = fitting[0]
    if follows:
        padded = f" {follows} "
        if any(f" {_option_words(options[i])} " in padded for i in range(3) if i != chosen):
            return UNPARSED
        if _JOINED.match(follows) or _DENIAL.search(follows):
            return UNPARSED
        behind = _lone_letters(reading.body) - _lone_letters(options[chosen])
        if behind - {LETTERS[chosen]}:
            return UNPARSED
    return CHOICES[chosen]


_PLAIN_LETTERS = {
    spelling: CHOICES[i]
    for i, letter in enumerate(LETTERS)
    for spelling in (letter, f" {letter}", f"{letter}.", f"{letter})", letter.lower())
}


def _looks_for(text: str) -> frozenset[str] | None:
    """First characters of the options that rules 6, 8 and 9 can find in a text."""
    reading = _read(text)
    if reading.refusal or (reading.letter is not None and _refuses(reading.tail)):
        return None  # then the options are read for refusals too
    parts = {reading.body, reading.whole} | (set() if reading.letter is None else {_tidy(reading.tail)})
    return frozenset(words[0] for words in map(_content_words, parts) if words)


def _begins(option: str) -> str:
    return _option_words(option)[:1]


STRICT = Parser("strict", _strict_by_text, _strict_by_options, _looks_for, _begins)
"""Reads what is clearly an answer and nothing else."""
