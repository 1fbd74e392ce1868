"""The graphs of a model package, as PyTorch modules around an OpenCLIP model's own parts.

ImageTower and TextTower are a teacher's; CrossMemory (image to keys and values of cross-attention) and
DecoderStep (one token against the caches) a captioner's. ModelPackage.md gives their inputs and outputs. A
model in half precision takes and gives half-precision pixels, keys and values; embeddings and logits are
float32 always, so that a length of 1 and a sum of probabilities are those of the wider format.
"""

import copy

import torch
import torch.nn.functional as F
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


class CrossMemory(nn.Module):
    """pixels [N,3,S,S] to the keys and values [N,M,H,T,d] that the decoder's cross-attention reads."""

    def __init__(self, model):
        super().__init__()
        self.model = model

    def forward(self, pixels):
        _, image = self.model._encode_image(pixels)
        keys, values = [], []
        for block in self.model.text_decoder.cross_attn:
            normed = block.ln_1_kv(image)
            attention = block.attn
            _, key_weight, value_weight = attention.in_proj_weight.chunk(3)
            _, key_bias, value_bias = attention.in_proj_bias.chunk(3)
            keys.append(heads_apart(F.linear(normed, key_weight, key_bias), attention.num_heads))
            values.append(heads_apart(F.linear(normed, value_weight, value_bias), attention.num_heads))
        return torch.stack(keys, dim=1), torch.stack(values, dim=1)


class DecoderStep(nn.Module):
    """One token of the unimodal and the multimodal decoder, against caches."""

    def __init__(self, model):
        super().__init__()
        self.text = model.text
        self.decoder = model.text_decoder

    def self_attention(self, block, x, cache_keys, cache_values, hidden):
        attention = block.attn
        normed = block.ln_1(x)
        joined = F.linear(normed, attention.in_proj_weight, attention.in_proj_bias)
        query, key, value = joined.chunk(3, dim=-1)
        query, key, value = (heads_apart(part[:, None], attention.num_heads) for part in (query, key, value))
        keys = torch.cat([cache_keys, key], dim=2)
        values = torch.cat([cache_values, value], dim=2)
        scores = query @ keys.transpose(-1, -2) * attention.head_dim**-0.5
        weights = scores.masked_fill(hidden[:, None, None, :], float("-inf")).softmax(dim=-1)
        mixed = (weights @ values).transpose(1, 2).flatten(1)
        x = x + block.ls_1(attention.out_proj(mixed))
        return x + block.ls_2(block.mlp(block.ln_2(x))), key, value

    def cross_attention(self, block, x, keys, values):
        attention = block.attn
        query_weight, _, _ = attention.in_proj_weight.chunk(3)
        query_bias, _, _ = attention.in_proj_bias.chunk(3)
        query = heads_apart(F.linear(block.ln_1(x), query_weight, query_bias)[:, None], attention.num_heads)
        weights = (query @ keys.transpose(-1, -2) * attention.head_dim**-0.5).softmax(dim=-1)
        mixed = (weights @ values).transpose(1, 2).flatten(1)
        x = x + block.ls_1(attention.out_proj(mixed))
        return x + block.ls_2(block.mlp(block.ln_2(x)))

    def forward(self, ids, positions, lengths, cross_keys, cross_values, cache_keys, cache_values):
        capacity = cache_keys.shape[3]
        hidden = torch.arange(capacity, device=ids.device)[None, :] >= lengths[:, None]
        hidden = F.pad(hidden, (0, 1), value=False)
        x = self.text.token_embedding(ids) + self.text.positional_embedding[positions]
        keys, values = [], []

        def attend(block, x):
            layer = len(keys)
            cached = cache_keys[:, layer], cache_values[:, layer]
            x, key, value = self.self_attention(block, x, *cached, hidden)
            keys.append(key)
            values.append(value)
            return x

        for block in self.text.transformer.resblocks:
            x = attend(block, x)
        for index, (block, cross) in enumerate(zip(self.decoder.resblocks, self.decoder.cross_attn)):
            x = attend(block, x)
            x = self.cross_attention(cross, x, cross_keys[:, index], cross_values[:, index])
        logits = self.decoder.ln_final(x)
        if self.decoder.text_projection is not None:
            logits = logits @ self.decoder.text_projection
        return logits.float(), torch.stack(keys, dim=1), torch.stack(values, dim=1)
