"""Random texts and words that break naive code: control characters, all of Unicode, long tokens, whitespace."""

import random

WORDS = ["Anna", "travels", "to", "London", ".", "the", "dog", "don't", "U.S.", "3.14", "http://a.b/c?d=e", "a@b.co"]
SPACES = [" ", "  ", "\n", "\t", "\r\n", "\r", "\u00a0", "\u2028", "\u2029", "\u3000", "\u200b", "\x85", "\x0b", "\x0c"]
ODD = [
    "\x00", "\x01", "\x08", "\x1b[31m", "\x7f", "\ufeff", "\ufffd", "\ufffe", "\uffff", "\U0010ffff", "\ue000",
    "\u202e", "\u2066", "\u200d", "\u0301" * 30, "e\u0301", "👩‍👩‍👧‍👦", "🇬🇧", "ﷺ", "İ", "ß", "ŉ", "ǆ", "Σς", "שָׁלוֹם",
    "العربية", "ไทย", "한국어", "日本語", "한", "𝕬", "ﬀ", "²", "½", "٣", "−", "…", "''", "``", "<b>", "&amp;", "%s",
    "{}", "\\", "\\u0000", "${x}", "B-PER", "O", "-", "_", "null", "nan", "0x0", "../..", ";--", "a_SP", "!", "¿",
]  # fmt: skip


def draw_word(rng: random.Random) -> str:
    """Draw a word, never empty. It may be whitespace."""
    kind = rng.randrange(10)
    if kind < 4:
        return rng.choice(WORDS)
    if kind < 6:
        return rng.choice(ODD)
    if kind < 7:
        return rng.choice(SPACES)
    if kind < 9:
        return "".join(draw_character(rng) for _ in range(rng.randint(1, 6)))
    if rng.random() < 0.01:
        return rng.choice(["x", "한", "\u0301"]) * 5000
    return rng.choice([*WORDS, *ODD, *SPACES])[:4] * rng.randint(2, 20)


def draw_character(rng: random.Random) -> str:
    """Draw a character of any plane of Unicode, but no surrogate, which UTF-8 can't encode."""
    highest = rng.choice([0x7F, 0x2FF, 0xFFFF, 0x10FFFF])
    code = rng.randint(0, highest)
    return "x" if 0xD800 <= code <= 0xDFFF else chr(code)


def draw_text(rng: random.Random) -> str:
    """Draw a text. It may be empty."""
    pieces = []
    for _ in range(rng.choice([0, 1, 2, 5, 10, 20])):
        pieces.append(draw_word(rng))
        if rng.random() < 0.8:
            pieces.append(" " if rng.random() < 0.7 else rng.choice(SPACES))
    return "".join(pieces)
