#!/usr/bin/env python3
"""What a competent user would write: a shard reinforced with PyTorch, open_clip and webdataset.

    plain_reinforcement.py MODELS SHARD VIEWS OUT MANIFEST BATCH

MODELS holds teacher.pt and captioner.pt; VIEWS is a merged shard whose stored parameters are reapplied, so
that both programs see the same views (drawing them costs nothing); OUT gets the same files. Everything is
batched; images are decoded and augmented by the workers of a DataLoader while the models compute.
"""

import io
import json
import os
import pathlib
import sys
import tarfile

import numpy as np
import open_clip
import torch
import webdataset
from open_clip.transform import PreprocessCfg, image_transform_v2
from torchvision.transforms import functional

sys.path[:0] = [str(pathlib.Path(__file__).resolve().parents[1])]
sys.path[:0] = [str(pathlib.Path(__file__).resolve().parents[2] / "Tests/BolsterInferenceTests")]

import generate_models  # noqa: E402
from dataset_checks import recompute  # noqa: E402

TEACHER, CAPTIONER = "ViT-B-32", "coca_ViT-B-32"


def parameters(shard):
    """The stored parameters by key."""
    with tarfile.open(shard) as tar:
        return {
            member.name.partition(".")[0]: json.load(tar.extractfile(member))["param_aug"]
            for member in tar if member.name.endswith(".paug.json")
        }


class Preparation:
    """Everything about a sample that needs no model; runs in the DataLoader's workers."""

    def __init__(self, views, augmentation):
        self.views, self.augmentation = views, augmentation
        teacher, captioner = PreprocessCfg(size=224), PreprocessCfg(size=224)
        self.mean, self.std = teacher.mean, teacher.std
        self.evaluation = image_transform_v2(captioner, is_train=False)
        self.tokenize = open_clip.get_tokenizer(TEACHER)

    def __call__(self, sample):
        key = sample["__key__"]
        image = recompute.open_image(sample["jpg"])
        views = [recompute.reapply(image, view, self.augmentation) for view in self.views[key]]
        planes = [functional.normalize(functional.to_tensor(v), self.mean, self.std) for v in views]
        text = sample["txt"].decode()
        return {
            "sample": sample, "views": torch.stack(planes), "image": self.evaluation(image),
            "tokens": self.tokenize([text]),
        }


def embed(model, values, batch, kind):
    function = model.encode_image if kind == "image" else model.encode_text
    return torch.cat([function(part, normalize=True) for part in values.split(batch)])


def write(tar, prepared, images, texts, captions, synthetic, views):
    for index, one in enumerate(prepared):
        arrays = {
            "image_emb": images[index * views:(index + 1) * views], "text_emb": texts[index:index + 1],
            "syn_text_coca_emb": synthetic[index:index + 1],
        }
        data = io.BytesIO()
        np.savez(data, **{name: tensor.numpy() for name, tensor in arrays.items()})
        sample = one["sample"]
        tar.write({
            "__key__": sample["__key__"], "jpg": sample["jpg"], "txt": sample["txt"], "npz": data.getvalue(),
            "syn.json": json.dumps({"syn_text_coca": [captions[index]]}).encode(),
        })


@torch.inference_mode()
def main():
    models, shard, stored, out, manifest, batch = sys.argv[1:]
    batch = int(batch)
    ensemble = json.loads(pathlib.Path(manifest).read_text())["ensemble"]
    torch.set_num_threads(os.cpu_count())
    teacher = open_clip.create_model(TEACHER).eval()
    teacher.load_state_dict(torch.load(f"{models}/teacher.pt"))
    captioner = open_clip.create_model(CAPTIONER).eval()
    captioner.load_state_dict(torch.load(f"{models}/captioner.pt"))
    generate_models.provide_processors()
    tokenizer = open_clip.get_tokenizer(TEACHER)
    preparation = Preparation(parameters(stored), ensemble["augmentation"])
    dataset = webdataset.WebDataset(shard, shardshuffle=False).map(preparation)
    loader = torch.utils.data.DataLoader(
        dataset, batch_size=batch, num_workers=1, collate_fn=list, prefetch_factor=2)
    with webdataset.TarWriter(out) as tar:
        for prepared in loader:
            images = embed(teacher, torch.cat([one["views"] for one in prepared]), 2 * batch, "image")
            texts = embed(teacher, torch.cat([one["tokens"] for one in prepared]), 2 * batch, "text")
            ids = generate_models.generated(
                captioner, tokenizer, torch.stack([one["image"] for one in prepared]), seq_len=30,
                min_seq_len=5)
            captions = [caption(row) for row in ids]
            synthetic = embed(teacher, tokenizer(captions), 2 * batch, "text")
            write(tar, prepared, images, texts, captions, synthetic, ensemble["views"])


def caption(ids):
    text = open_clip.decode(torch.from_numpy(ids))
    return text.split("<end_of_text>")[0].replace("<start_of_text>", "").rstrip()


if __name__ == "__main__":
    main()
