#!/usr/bin/env python3
"""A vision-language model of random weights, small enough to be made anew for each test: a LLaMA of two
layers and a CLIP of two whose patches are projected into it, as LLaVA 1.5 does, each as llama.cpp's GGUF.

    make_model.py FOLDER      writes FOLDER/language.gguf and FOLDER/vision.gguf

What it says is nonsense, but the same nonsense for the same image, prompt and seed, and another one for
another image: that is all a client can be tested with.
"""

import argparse
import pathlib

import gguf
import numpy as np

WIDTH, HEADS, LAYERS, INNER, CONTEXT = 64, 4, 2, 128, 1024
IMAGE_SIZE, PATCH = 48, 8
IMAGE_TOKENS = (IMAGE_SIZE // PATCH) ** 2
WORDS = (
    "a the an one two three many small large red green blue yellow black white bright dark round square old "
    "new house tree dog cat bird boat car hill river sun moon star ball box cup table chair street garden "
    "beside under over near behind with and of in on at is are stands lies runs flies sits shines stops"
).split()
TEMPLATE = (
    "{% for message in messages %}{{ message['role'] }}: {{ message['content'] }}\n{% endfor %}"
    "{% if add_generation_prompt %}assistant:{% endif %}"
)


def vocabulary():
    """(token, score, kind, is it said): SentencePiece's control and byte tokens, letters, whole words."""
    kinds = gguf.TokenType
    rows = [("<unk>", 0.0, kinds.UNKNOWN, False), ("<s>", 0.0, kinds.CONTROL, False)]
    rows.append(("</s>", 0.0, kinds.CONTROL, True))
    rows += [(f"<0x{byte:02X}>", 0.0, kinds.BYTE, False) for byte in range(256)]
    rows += [(chr(code), -1000.0, kinds.NORMAL, False) for code in range(33, 127)]
    rows.append(("▁", -1000.0, kinds.NORMAL, False))
    # A prompt is read letter by letter, as nothing joins letters to words; an answer is words alone.
    rows += [("▁" + word, -10.0, kinds.NORMAL, True) for word in WORDS]
    rows += [("▁" + word + ".", -10.0, kinds.NORMAL, True) for word in WORDS[20:40]]
    return rows


class Weights:
    """Random tensors, in the order of their making a function of the seed alone."""

    def __init__(self, writer, seed):
        self.writer = writer
        self.random = np.random.default_rng(seed)

    def matrix(self, name, *shape, scale=1.0):
        spread = scale / np.sqrt(np.prod(shape[1:]))
        value = self.random.normal(0, spread, shape).astype(np.float32)
        self.writer.add_tensor(name, value)
        return value

    def ones(self, name, size):
        self.writer.add_tensor(name, np.ones(size, np.float32))

    def zeros(self, name, size):
        self.writer.add_tensor(name, np.zeros(size, np.float32))


def write_language(path):
    rows = vocabulary()
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_name("tiny-vlm")
    writer.add_context_length(CONTEXT)
    writer.add_embedding_length(WIDTH)
    writer.add_block_count(LAYERS)
    writer.add_feed_forward_length(INNER)
    writer.add_head_count(HEADS)
    writer.add_head_count_kv(HEADS)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_rope_dimension_count(WIDTH // HEADS)
    writer.add_vocab_size(len(rows))
    writer.add_tokenizer_model("llama")
    writer.add_token_list([token for token, _, _, _ in rows])
    writer.add_token_scores([score for _, score, _, _ in rows])
    writer.add_token_types([kind for _, _, kind, _ in rows])
    writer.add_unk_token_id(0)
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    writer.add_add_bos_token(True)
    writer.add_chat_template(TEMPLATE)
    weights = Weights(writer, 1)
    weights.matrix("token_embd.weight", len(rows), WIDTH, scale=8)
    for layer in range(LAYERS):
        block = f"blk.{layer}."
        weights.ones(block + "attn_norm.weight", WIDTH)
        for name in ("attn_q", "attn_k", "attn_v", "attn_output"):
            weights.matrix(f"{block}{name}.weight", WIDTH, WIDTH, scale=2)
        weights.ones(block + "ffn_norm.weight", WIDTH)
        weights.matrix(block + "ffn_gate.weight", INNER, WIDTH)
        weights.matrix(block + "ffn_up.weight", INNER, WIDTH)
        weights.matrix(block + "ffn_down.weight", WIDTH, INNER)
    weights.ones("output_norm.weight", WIDTH)
    # What is never said gets a score of zero, which the best of many random words always exceeds.
    said = np.array([row[3] for row in rows], np.float32)[:, None]
    writer.add_tensor(
        "output.weight", weights.random.normal(0, 0.5, (len(rows), WIDTH)).astype(np.float32) * said)
    finish(writer)


def write_vision(path):
    writer = gguf.GGUFWriter(path, "clip")
    writer.add_name("tiny-vlm")
    writer.add_bool("clip.has_vision_encoder", True)
    writer.add_string("clip.projector_type", "mlp")
    writer.add_bool("clip.use_gelu", True)
    writer.add_vision_projection_dim(WIDTH)
    writer.add_vision_image_size(IMAGE_SIZE)
    writer.add_vision_patch_size(PATCH)
    writer.add_vision_embedding_length(WIDTH)
    writer.add_vision_feed_forward_length(INNER)
    # The last layer is not used, as in LLaVA.
    writer.add_vision_block_count(LAYERS + 1)
    writer.add_vision_head_count(HEADS)
    writer.add_vision_attention_layernorm_eps(1e-5)
    writer.add_vision_image_mean([0.5, 0.5, 0.5])
    writer.add_vision_image_std([0.5, 0.5, 0.5])
    weights = Weights(writer, 2)
    weights.matrix("v.class_embd", WIDTH)
    weights.matrix("v.patch_embd.weight", WIDTH, 3, PATCH, PATCH, scale=8)
    weights.matrix("v.position_embd.weight", IMAGE_TOKENS + 1, WIDTH)
    for side in ("pre_ln", "post_ln"):
        weights.ones(f"v.{side}.weight", WIDTH)
        weights.zeros(f"v.{side}.bias", WIDTH)
    for layer in range(LAYERS + 1):
        block = f"v.blk.{layer}."
        for norm in ("ln1", "ln2"):
            weights.ones(f"{block}{norm}.weight", WIDTH)
            weights.zeros(f"{block}{norm}.bias", WIDTH)
        shapes = {name: (WIDTH, WIDTH) for name in ("attn_q", "attn_k", "attn_v", "attn_out")}
        shapes |= {"ffn_up": (INNER, WIDTH), "ffn_down": (WIDTH, INNER)}
        for name, shape in shapes.items():
            weights.matrix(f"{block}{name}.weight", *shape)
            weights.zeros(f"{block}{name}.bias", shape[0])
    for name in ("mm.0", "mm.2"):
        weights.matrix(f"{name}.weight", WIDTH, WIDTH, scale=4)
        weights.zeros(f"{name}.bias", WIDTH)
    finish(writer)


def finish(writer):
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def write(folder):
    folder.mkdir(parents=True, exist_ok=True)
    write_language(folder / "language.gguf")
    write_vision(folder / "vision.gguf")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("folder", type=pathlib.Path)
    write(parser.parse_args().folder)


if __name__ == "__main__":
    main()
