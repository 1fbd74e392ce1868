"""CLIP's byte-pair encoding, with a vocabulary of our own learnt from captions.

The construction is CLIP's (Radford et al., arXiv 2103.00020): text is cleaned and lowered, cut into words by
one regular expression, each word becomes bytes written in 256 printable characters, the last one marked
`</w>`, and learnt pairs are joined in the order of learning. Ids: 256 bytes, the same with `</w>`, one per
merge, start, end. Only the number of merges differs from CLIP's 48,894.
"""

import collections
import html
import json
import pathlib

import ftfy
import regex

START, END = "<start_of_text>", "<end_of_text>"
PAD = 0
WORD = regex.compile(
    START + "|" + END + r"|'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+", regex.IGNORECASE
)


def byte_letters():
    """The printable character of each byte: itself where it is one, otherwise one from U+0100 upwards."""
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    letters = {b: chr(b) for b in printable}
    for byte in range(256):
        if byte not in letters:
            letters[byte] = chr(256 + len(letters) - len(printable))
    return letters


def clean(text, lower=True):
    """Mended, unescaped twice, white space collapsed, lower case: what CLIP was trained on."""
    text = " ".join(html.unescape(html.unescape(ftfy.fix_text(text))).split())
    return text.lower() if lower else text


def _joined(word, pair):
    """`word` (a tuple of symbols) with every occurrence of `pair` made one symbol."""
    symbols, k = [], 0
    while k < len(word):
        if word[k : k + 2] == pair:
            symbols.append(word[k] + word[k + 1])
            k += 2
        else:
            symbols.append(word[k])
            k += 1
    return tuple(symbols)


class Tokenizer:
    """Text to ids and back. `merges` is a list of pairs of symbols in the order of learning."""

    def __init__(self, merges, lower=True):
        self.lower = lower
        self.letters = byte_letters()
        self.bytes = {letter: byte for byte, letter in self.letters.items()}
        self.merges = [tuple(m) for m in merges]
        self.ranks = {pair: rank for rank, pair in enumerate(self.merges)}
        symbols = list(self.letters.values())
        symbols += [s + "</w>" for s in symbols] + ["".join(m) for m in self.merges] + [START, END]
        self.ids = {symbol: index for index, symbol in enumerate(symbols)}
        self.symbols = symbols
        self.start, self.end = self.ids[START], self.ids[END]
        self.cache = {}

    @classmethod
    def learn(cls, texts, merges):
        """The `merges` most frequent pairs of the words of `texts`; ties go to the alphabetically first."""
        letters = byte_letters()
        words = collections.Counter(w for t in texts for w in WORD.findall(clean(t)))
        spelled = {}
        for word, count in words.items():
            symbols = [letters[b] for b in word.encode()]
            spelled[tuple(symbols[:-1] + [symbols[-1] + "</w>"])] = count
        learnt = []
        while len(learnt) < merges:
            pairs = collections.Counter()
            for word, count in spelled.items():
                for pair in zip(word, word[1:]):
                    pairs[pair] += count
            if not pairs:
                raise ValueError(
                    f"the texts hold only {len(learnt)} pairs, {merges} were wanted: give more texts"
                )
            best = min(pairs, key=lambda p: (-pairs[p], p))
            learnt.append(best)
            renewed = collections.Counter()
            for word, count in spelled.items():
                renewed[_joined(word, best)] += count
            spelled = renewed
        return cls(learnt)

    def encode(self, text):
        """Ids of the text, without start and end."""
        return [i for word in WORD.findall(clean(text, self.lower)) for i in self._word(word)]

    def _word(self, word):
        if word not in self.cache:
            if word in (START, END):
                symbols = (word,)
            else:
                letters = [self.letters[b] for b in word.encode()]
                symbols = tuple(letters[:-1] + [letters[-1] + "</w>"])
            while len(symbols) > 1:
                best = min(zip(symbols, symbols[1:]), key=lambda p: self.ranks.get(p, len(self.ranks)))
                if best not in self.ranks:
                    break
                symbols = _joined(symbols, best)
            self.cache[word] = [self.ids[s] for s in symbols]
        return self.cache[word]

    def pack(self, text, length):
        """`length` ids: start, the text, end, padding; a text too long is cut and still ends with end."""
        ids = [self.start, *self.encode(text), self.end][:length]
        if len(ids) == length:
            ids[-1] = self.end
        return ids + [PAD] * (length - len(ids))

    def decode(self, ids):
        """The text of ids, without start; stops before end. Words are separated by single spaces."""
        letters = []
        for index in ids:
            if index == self.end:
                break
            if index != self.start:
                letters.append(self.symbols[index])
        text = "".join(letters).replace("</w>", " ")
        return (
            bytes(b for c in text for b in ([32] if c == " " else [self.bytes[c]]))
            .decode(errors="replace")
            .rstrip()
        )

    def save(self, folder):
        """Writes vocab.json and merges.txt."""
        folder = pathlib.Path(folder)
        (folder / "vocab.json").write_text(json.dumps(self.ids, ensure_ascii=False, indent=0) + "\n")
        (folder / "merges.txt").write_text("".join(f"{a} {b}\n" for a, b in self.merges))

    @classmethod
    def load(cls, folder, cleaning="lower"):
        """The tokenizer of a model package; `cleaning` is its model.json's "lower" or "whitespace"."""
        lines = (pathlib.Path(folder) / "merges.txt").read_text().split("\n")
        return cls([line.split(" ") for line in lines if line], cleaning == "lower")
