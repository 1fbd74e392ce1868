"""Caption generation as OpenCLIP's CoCa defines it: once with the whole text each step, once with caches.

Both start with the start token, forbid the end token while the text (start included) is shorter than the
minimum, force it at the maximum, and pad after it. `choose` turns logits [B, V] into one id per row.
"""

import numpy as np
import torch

import tokenizer

MIN_LENGTH = 5


def greedy(logits):
    """The likeliest word, the lowest id among equals."""
    return np.argmax(logits, axis=-1)


def top_p(share, generator):
    """Draws from the smallest set of words whose probability reaches `share` (temperature 1)."""

    def choose(logits):
        ordered, order = torch.from_numpy(np.asarray(logits)).sort(descending=False, dim=-1)
        dropped = ordered.softmax(-1).cumsum(-1) <= 1 - share
        dropped[:, -1] = False
        ordered = ordered.masked_fill(dropped, float("-inf"))
        drawn = torch.multinomial(ordered.softmax(-1), 1, generator=generator)
        return order.gather(1, drawn)[:, 0]

    return choose


def generate(next_logits, rows, start, end, max_length, choose):
    """Ids [rows, max_length]; `next_logits(ids)` gives the logits after the last of the ids so far."""
    ids = np.full((rows, max_length), tokenizer.PAD, dtype=np.int64)
    ids[:, 0] = start
    for length in range(1, max_length):
        ended = (ids[:, length - 1] == end) | (ids[:, length - 1] == tokenizer.PAD)
        if length > 1 and ended.all():
            break
        logits = np.array(next_logits(ids[:, :length]))
        if length < MIN_LENGTH:
            logits[:, end] = -np.inf
        chosen = np.asarray(choose(logits)) if length + 1 < max_length else np.full(rows, end)
        ids[:, length] = np.where(ended, tokenizer.PAD, chosen)
    return ids


def whole_text(model, pixels):
    """`next_logits` from PyTorch, the full decoder over all ids each time."""
    with torch.no_grad():
        image = model.image(pixels)

    def next_logits(ids):
        with torch.no_grad():
            return model.decode(image, torch.from_numpy(ids))[:, -1].numpy()

    return next_logits


class Stepper:
    """`next_logits` from step.onnx: one token of work, the caches kept here."""

    def __init__(self, step, cross_keys, cross_values, plan, layers):
        rows, width = len(cross_keys), plan.width // plan.heads
        self.step, self.cross = step, {"cross_keys": cross_keys, "cross_values": cross_values}
        shape = (rows, layers, plan.heads, plan.max_length, width)
        self.keys, self.values = np.zeros(shape, np.float32), np.zeros(shape, np.float32)

    def __call__(self, ids):
        position = ids.shape[1] - 1
        places = np.full(len(ids), position, dtype=np.int64)
        logits, keys, values = self.step.run(
            None,
            {
                "ids": ids[:, -1].copy(),
                "positions": places,
                "lengths": places,
                **self.cross,
                "cache_keys": self.keys,
                "cache_values": self.values,
            },
        )
        self.keys[:, :, :, position], self.values[:, :, :, position] = keys[:, :, :, 0], values[:, :, :, 0]
        return logits
