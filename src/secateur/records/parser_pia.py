"""The parser ``pia``: the published study's rules, kept so that its numbers can be made again from the same answers.

It must not be used for claims: it makes answers out of words that hold an a, b or c. On the text without white space
around it, case ignored throughout:

1.  The text is one letter A to C: that letter.
2.  The text begins with a letter A to C, bare or in round brackets (each of the two optional), followed by a full
    stop, a closing bracket or white space: that letter.
3.  Somewhere stands "answer", "choose", "select" or "pick", then optional white space, optionally "is" and white
    space, optionally an opening bracket, then at once a letter A to C: that letter, at the first such place. What
    comes behind the letter does not matter; a colon before it does.
4.  The first character that is a, b or c: that letter.
5.  Otherwise nothing.
"""

from __future__ import annotations

import re

from secateur.items.orders import LETTERS
from secateur.records.parser import CHOICES, UNPARSED, Parsed, Parser, Shown

# Rules 1 and 2 name the letter that rule 4 would find; all they do is keep rule 3 from looking further on.
_SET_APART = re.compile(r"\(?[abc](?:\)?\s|\)?\.|\))", re.IGNORECASE)
_NAMED = re.compile(r"(?:pick|select|choose|answer)\s*(?:is\s*)?\(?(?P<letter>[abc])", re.IGNORECASE)
_ANYWHERE = re.compile(r"(?P<letter>[abc])", re.IGNORECASE)


def read_pia(text: str) -> Parsed:
    """What an answer says by the published rules; never a refusal."""
    text = text.strip()
    named = None if _SET_APART.match(text) else _NAMED.search(text)
    found = named or _ANYWHERE.search(text)
    return CHOICES[LETTERS.index(found["letter"].upper())] if found else UNPARSED


def _by_options(text: str, options: Shown) -> Parsed:
    del options  # the published rules do not look at them
    return read_pia(text)


PIA = Parser("pia", read_pia, _by_options)
"""The published study's parser; for comparison only."""
