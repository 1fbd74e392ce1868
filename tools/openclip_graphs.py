"""The graphs of a model package, as PyTorch modules around an OpenCLIP model's own parts.

ImageTower and TextTower are a teacher's; CrossMemory (image to keys and values of cross-attention) and
DecoderStep (one token against the caches) a captioner's. ModelPackage.md gives their inputs and outputs. A
model in half precision takes and gives half-precision pixels, keys and values; embeddings and logits are
float32 always, so that a length of 1 and a sum of probabilities are those of the wider format.
"""

import copy

import torch
import torch.nn.functional as F
from open_clip.transformer import Attention, CustomResidualAttentionBlock
from torch import nn


class WideConvolution(nn.Module):
    """A convolution in float32 inside a model of another precision."""

    def __init__(self, convolution):
        super().__init__()
        self.convolution = convolution

    def forward(self, x):
        return self.convolution(x.float()).to(x.dtype)


def in_precision(module, kind):
    """A copy of a module that computes in a type; the module itself for float32.

    ONNX has no convolution in bfloat16 before its operator set 22, which few devices' kernels follow, so that
    those stay in float32.
    """
    if kind == torch.float32:
        return module
    converted = copy.deepcopy(module).to(kind)
    if kind != torch.bfloat16:
        return converted
    for name, part in module.named_modules():
        if isinstance(part, nn.Conv2d):
            owner, _, attribute = name.rpartition(".")
            setattr(converted.get_submodule(owner), attribute, WideConvolution(copy.deepcopy(part)))
    return converted


class ImageTower(nn.Module):
    """pixels [N,3,S,S] to embedding [N,D] of unit length."""

    def __init__(self, model):
        super().__init__()
        self.model = model

    def forward(self, pixels):
        return F.normalize(self.model.encode_image(pixels).float(), dim=-1)


class TextTower(nn.Module):
    """ids [N,L] to embedding [N,D] of unit length."""

    def __init__(self, model):
        super().__init__()
        self.model = model

    def forward(self, ids):
        return F.normalize(self.model.encode_text(ids).float(), dim=-1)


def heads_apart(values, heads):
    """[B, T, W] to [B, heads, T, W / heads]."""
    batch, length, width = values.shape
    return values.reshape(batch, length, heads, width // heads).transpose(1, 2)


def attend(query, keys, values, heads, hidden=None):
    """One token's attention: [B, H, 1, d] over [B, H, T, d] to [B, H · d].

    Caches have as many heads as every layer's number divides, so that layers of different numbers share one
    shape: a head of a layer is then several neighbouring ones of the cache, whose products add up to its own.
    """
    parts = keys.shape[1] // heads
    scores = query @ keys.transpose(-1, -2) * (parts * query.shape[-1]) ** -0.5
    if parts > 1:
        scores = scores.unflatten(1, (heads, parts)).sum(dim=2)
    if hidden is not None:
        scores = scores.masked_fill(hidden[:, None, None, :], float("-inf"))
    weights = scores.softmax(dim=-1)
    if parts > 1:
        weights = weights.repeat_interleave(parts, dim=1)
    return (weights @ values).transpose(1, 2).flatten(1)


def mixed_out(block, mixed):
    """What a block adds to its input after the heads were mixed; OpenCLIP's custom blocks normalise more."""
    attention = block.attn
    if isinstance(attention, Attention):
        if attention.head_scale is not None:
            apart = mixed.unflatten(1, (attention.num_heads, attention.head_dim))
            mixed = (apart * attention.head_scale[:, 0]).flatten(1)
        mixed = attention.ln_inner(mixed)
    mixed = attention.out_proj(mixed)
    if isinstance(block, CustomResidualAttentionBlock):
        mixed = block.ln_attn(mixed)
    return block.ls_1(mixed)


class CrossMemory(nn.Module):
    """pixels [N,3,S,S] to the keys and values [N,M,H,T,d] that the decoder's cross-attention reads."""

    def __init__(self, model, heads):
        super().__init__()
        self.model = model
        self.heads = heads

    def forward(self, pixels):
        _, image = self.model._encode_image(pixels)
        keys, values = [], []
        for block in self.model.text_decoder.cross_attn:
            normed = block.ln_1_kv(image)
            attention = block.attn
            _, key_weight, value_weight = attention.in_proj_weight.chunk(3)
            _, key_bias, value_bias = attention.in_proj_bias.chunk(3)
            keys.append(heads_apart(F.linear(normed, key_weight, key_bias), self.heads))
            values.append(heads_apart(F.linear(normed, value_weight, value_bias), self.heads))
        return torch.stack(keys, dim=1), torch.stack(values, dim=1)


class DecoderStep(nn.Module):
    """One token of the unimodal and the multimodal decoder, against caches of `heads` heads."""

    def __init__(self, model, heads):
        super().__init__()
        self.text = model.text
        self.decoder = model.text_decoder
        self.heads = heads

    def self_attention(self, block, x, cache_keys, cache_values, hidden):
        attention = block.attn
        joined = F.linear(block.ln_1(x), attention.in_proj_weight, attention.in_proj_bias)
        query, key, value = joined.chunk(3, dim=-1)
        if isinstance(attention, Attention):
            own = (attention.num_heads, attention.head_dim)
            query = attention.ln_q(query.unflatten(1, own)).flatten(1)
            key = attention.ln_k(key.unflatten(1, own)).flatten(1)
        query, key, value = (heads_apart(part[:, None], self.heads) for part in (query, key, value))
        keys = torch.cat([cache_keys, key], dim=2)
        values = torch.cat([cache_values, value], dim=2)
        x = x + mixed_out(block, attend(query, keys, values, attention.num_heads, hidden))
        return x + block.ls_2(block.mlp(block.ln_2(x))), key, value

    def cross_attention(self, block, x, keys, values):
        attention = block.attn
        query_weight, _, _ = attention.in_proj_weight.chunk(3)
        query_bias, _, _ = attention.in_proj_bias.chunk(3)
        query = heads_apart(F.linear(block.ln_1(x), query_weight, query_bias)[:, None], self.heads)
        x = x + mixed_out(block, attend(query, keys, values, attention.num_heads))
        return x + block.ls_2(block.mlp(block.ln_2(x)))

    def forward(self, ids, positions, lengths, cross_keys, cross_values, cache_keys, cache_values):
        capacity = cache_keys.shape[3]
        hidden = torch.arange(capacity, device=ids.device)[None, :] >= lengths[:, None]
        hidden = F.pad(hidden, (0, 1), value=False)
        x = self.text.token_embedding(ids) + self.text.positional_embedding[positions]
        keys, values = [], []

        def step(block, x):
            layer = len(keys)
            cached = cache_keys[:, layer], cache_values[:, layer]
            x, key, value = self.self_attention(block, x, *cached, hidden)
            keys.append(key)
            values.append(value)
            return x

        for block in self.text.transformer.resblocks:
            x = step(block, x)
        for index, (block, cross) in enumerate(zip(self.decoder.resblocks, self.decoder.cross_attn)):
            x = step(block, x)
            x = self.cross_attention(cross, x, cross_keys[:, index], cross_values[:, index])
        logits = self.decoder.ln_final(x)
        if self.decoder.text_projection is not None:
            logits = logits @ self.decoder.text_projection
        return logits.float(), torch.stack(keys, dim=1), torch.stack(values, dim=1)
