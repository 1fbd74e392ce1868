"""The demo's tiny models: CLIP teachers and CoCa captioners, small enough to train in minutes on one core.

Shapes follow the published models in everything but size: a convolutional stem gives 8 x 8 pixel patches, a
pre-norm transformer reads them; a teacher is CLIP (arXiv 2103.00020), a captioner CoCa (arXiv 2205.01917): a
causal text decoder, then a decoder that also looks at the image. Attention is written out in matrix products,
so that the same weights serve training, the exported graphs and the step with caches.
"""

import math

import torch
from torch import nn
from torch.nn import functional


def attend(queries, keys, values, mask=None):
    """Attention of [..., Q, d] on [..., K, d]; `mask` is added to the scores."""
    scores = queries @ keys.transpose(-1, -2) / math.sqrt(queries.shape[-1])
    if mask is not None:
        scores = scores + mask
    return torch.softmax(scores, dim=-1) @ values


class Attention(nn.Module):
    """Multi-head attention. `split` and `merge` go between [N, T, width] and [N, heads, T, d]."""

    def __init__(self, width, heads):
        super().__init__()
        self.heads, self.head_width = heads, width // heads
        self.query, self.key = nn.Linear(width, width), nn.Linear(width, width)
        self.value, self.out = nn.Linear(width, width), nn.Linear(width, width)

    def split(self, x):
        return x.unflatten(-1, (self.heads, self.head_width)).transpose(1, 2)

    def merge(self, x):
        return self.out(x.transpose(1, 2).flatten(2))

    def forward(self, x, source, mask=None):
        return self.merge(
            attend(
                self.split(self.query(x)), self.split(self.key(source)), self.split(self.value(source)), mask
            )
        )


class Block(nn.Module):
    """A pre-norm transformer layer; with `cross` it also attends to image tokens."""

    def __init__(self, width, heads, cross=False):
        super().__init__()
        self.norm, self.attention = nn.LayerNorm(width), Attention(width, heads)
        self.cross_norm = nn.LayerNorm(width) if cross else None
        self.cross = Attention(width, heads) if cross else None
        self.feed_norm = nn.LayerNorm(width)
        self.feed = nn.Sequential(nn.Linear(width, 3 * width), nn.GELU(), nn.Linear(3 * width, width))

    def forward(self, x, mask=None, image=None):
        normed = self.norm(x)
        x = x + self.attention(normed, normed, mask)
        if self.cross is not None:
            x = x + self.cross(self.cross_norm(x), image)
        return x + self.feed(self.feed_norm(x))


class ImageTower(nn.Module):
    """Pixels [N, 3, S, S] to tokens [N, (S/8)^2, width]."""

    def __init__(self, size, width, layers, heads):
        super().__init__()
        self.stem = nn.Sequential(
            nn.Conv2d(3, width // 4, 3, 2, 1),
            nn.GELU(),
            nn.Conv2d(width // 4, width // 2, 3, 2, 1),
            nn.GELU(),
            nn.Conv2d(width // 2, width, 3, 2, 1),
        )
        self.places = nn.Parameter(torch.randn((size // 8) ** 2, width) * 0.1)
        self.blocks = nn.ModuleList(Block(width, heads) for _ in range(layers))
        self.norm = nn.LayerNorm(width)

    def forward(self, pixels):
        x = self.stem(pixels).flatten(2).transpose(1, 2) + self.places
        for block in self.blocks:
            x = block(x)
        return self.norm(x)


def causal_mask(length):
    return torch.full((length, length), float("-inf")).triu(1)


class TextTower(nn.Module):
    """Ids [N, L] to features [N, L, width], each position seeing only what came before it."""

    def __init__(self, vocabulary, length, width, layers, heads):
        super().__init__()
        self.tokens = nn.Embedding(vocabulary, width)
        nn.init.normal_(self.tokens.weight, std=0.05)
        self.places = nn.Parameter(torch.randn(length, width) * 0.05)
        self.blocks = nn.ModuleList(Block(width, heads) for _ in range(layers))
        self.register_buffer("mask", causal_mask(length), persistent=False)

    def forward(self, ids):
        length = ids.shape[1]
        x, mask = self.tokens(ids) + self.places[:length], self.mask[:length, :length]
        for block in self.blocks:
            x = block(x, mask)
        return x


class Teacher(nn.Module):
    """CLIP: two towers into one space of `embedding_width`, both ends L2-normalised."""

    def __init__(self, plan, vocabulary):
        super().__init__()
        self.plan, self.end = plan, vocabulary - 1
        self.image = ImageTower(plan.image_size, plan.image_width, plan.image_layers, plan.heads)
        self.text = TextTower(vocabulary, plan.context_length, plan.text_width, plan.text_layers, plan.heads)
        self.text_norm = nn.LayerNorm(plan.text_width)
        self.image_head = nn.Linear(plan.image_width * 2, plan.embedding_width, bias=False)
        self.text_head = nn.Linear(plan.text_width, plan.embedding_width, bias=False)
        self.scale = nn.Parameter(torch.tensor(math.log(1 / 0.07)))

    def embed_images(self, pixels):
        """[N, 3, S, S] to [N, D]: mean and maximum over the patches, projected, normalised."""
        tokens = self.image(pixels)
        pooled = torch.cat((tokens.mean(1), tokens.amax(1)), dim=-1)
        return functional.normalize(self.image_head(pooled), dim=-1)

    def embed_texts(self, ids):
        """[N, L] to [N, D]: the feature at the end token, as in CLIP."""
        features = self.text_norm(self.text(ids))
        ends = (ids == self.end).to(torch.int64).argmax(dim=1)
        return functional.normalize(self.text_head(features[torch.arange(ids.shape[0]), ends]), dim=-1)


class Captioner(nn.Module):
    """CoCa's generating half: image tower, causal decoder, cross-attending decoder, tied output words."""

    def __init__(self, plan, vocabulary):
        super().__init__()
        self.plan, self.start, self.end = plan, vocabulary - 2, vocabulary - 1
        self.image = ImageTower(plan.image_size, plan.width, plan.image_layers, plan.heads)
        self.text = TextTower(vocabulary, plan.max_length, plan.width, plan.unimodal_layers, plan.heads)
        self.decoder = nn.ModuleList(
            Block(plan.width, plan.heads, cross=True) for _ in range(plan.cross_layers)
        )
        self.norm = nn.LayerNorm(plan.width)
        self.bias = nn.Parameter(torch.zeros(vocabulary))

    def words(self, x):
        """Features to logits over the vocabulary."""
        return self.norm(x) @ self.text.tokens.weight.T + self.bias

    def forward(self, pixels, ids):
        """Logits [N, L, V] of the token after each position: the whole text at once, no cache."""
        return self.decode(self.image(pixels), ids)

    def decode(self, image, ids):
        length = ids.shape[1]
        x, mask = self.text(ids), self.text.mask[:length, :length]
        for block in self.decoder:
            x = block(x, mask, image)
        return self.words(x)

    def cross_caches(self, pixels):
        """Keys and values of each cross-attention layer: two of [N, M, H, T, d]."""
        image = self.image(pixels)
        keys = [b.cross.split(b.cross.key(image)) for b in self.decoder]
        values = [b.cross.split(b.cross.value(image)) for b in self.decoder]
        return torch.stack(keys, 1), torch.stack(values, 1)

    def step(self, ids, positions, lengths, cross_keys, cross_values, cache_keys, cache_values):
        """One token per row: its logits [B, V], and its own key and value rows [B, n, H, 1, d].

        Row b of the caches [B, n, H, C, d] is valid up to `lengths[b]`; what lies beyond must be finite and
        is not seen. The caller stores the new rows at `positions[b]`.
        """
        x = (self.text.tokens(ids) + self.text.places[positions]).unsqueeze(1)
        held = torch.arange(cache_keys.shape[3]).unsqueeze(0) < lengths.unsqueeze(1)
        seen = torch.cat((held, torch.ones_like(held[:, :1])), dim=1)
        mask = torch.where(seen, 0.0, float("-inf")).unsqueeze(1).unsqueeze(1)
        new_keys, new_values = [], []
        for layer, block in enumerate([*self.text.blocks, *self.decoder]):
            normed, own = block.norm(x), block.attention
            key, value = own.split(own.key(normed)), own.split(own.value(normed))
            new_keys.append(key)
            new_values.append(value)
            found = attend(
                own.split(own.query(normed)),
                torch.cat((cache_keys[:, layer], key), dim=2),
                torch.cat((cache_values[:, layer], value), dim=2),
                mask,
            )
            x = x + own.merge(found)
            if block.cross is not None:
                depth = layer - len(self.text.blocks)
                queries = block.cross.split(block.cross.query(block.cross_norm(x)))
                x = x + block.cross.merge(attend(queries, cross_keys[:, depth], cross_values[:, depth]))
            x = x + block.feed(block.feed_norm(x))
        return self.words(x).squeeze(1), torch.stack(new_keys, 1), torch.stack(new_values, 1)
