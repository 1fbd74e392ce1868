"""Training of the demo's models on drawn scenes: contrastively for teachers, next token for captioners."""

import math
import random
import time

import numpy as np
import torch
from torch.nn import functional

import alt_texts
import scenes

SQUARE = 64


class Examples:
    """Drawn scenes with their captions as ids: pixels u8 [N, 3, 64, 64], ids [N, variants, L]."""

    variants = 4

    def __init__(self, seed, count, tokenizer, length):
        pictures, captions = [], {"terse": [], "full": [], "mixed": []}
        self.scenes = []
        for scene, rng in scenes.scenes(seed, count):
            pictures.append(np.asarray(scenes.render(scene, SQUARE, SQUARE, rng)).transpose(2, 0, 1))
            self.scenes.append(scene)
            terse = [scenes.terse_caption(scene, rng) for _ in range(self.variants)]
            full = [scenes.full_caption(scene, rng) for _ in range(self.variants)]
            mixed = [terse[0], terse[1], full[0].split(".")[0], alt_texts.about(scene, rng)]
            for manner, texts in (("terse", terse), ("full", full), ("mixed", mixed)):
                captions[manner].append([tokenizer.pack(t, length) for t in texts])
        self.pixels = torch.from_numpy(np.stack(pictures))
        self.ids = {manner: torch.tensor(rows) for manner, rows in captions.items()}

    def batch(self, size, manner, generator):
        """`size` random pictures with one random caption each, cut to the longest of them."""
        chosen = torch.randint(len(self.scenes), (size,), generator=generator)
        variant = torch.randint(self.variants, (size,), generator=generator)
        ids = self.ids[manner][chosen, variant]
        longest = int((ids != 0).sum(1).max())
        return self.pixels[chosen], ids[:, :longest]


def normalized(pixels, plan):
    """u8 [N, 3, 64, 64] to the plan's size and normalisation, as the worker does for a smaller teacher."""
    mean, std = (torch.tensor(v).view(1, 3, 1, 1) for v in (plan.mean, plan.std))
    tensor = (pixels.float() / 255 - mean) / std
    if plan.image_size == tensor.shape[-1]:
        return tensor
    return functional.interpolate(
        tensor, (plan.image_size, plan.image_size), mode="bicubic", align_corners=False
    )


def disturbed(pixels, generator, crops):
    """Brightness, a little noise and, for teachers, a zoom into the picture: what augmentations will do."""
    pixels = pixels.float()
    if crops:
        side = int(torch.randint(44, SQUARE + 1, (1,), generator=generator))
        top, left = (int(torch.randint(SQUARE - side + 1, (1,), generator=generator)) for _ in range(2))
        part = pixels[:, :, top : top + side, left : left + side]
        pixels = functional.interpolate(part, (SQUARE, SQUARE), mode="bilinear", align_corners=False)
    light = 1 + 0.15 * (torch.rand(pixels.shape[0], 1, 1, 1, generator=generator) - 0.5)
    return (pixels * light + 3 * torch.randn(pixels.shape, generator=generator)).clamp(0, 255)


def train(model, examples, loss_of, log):
    """Runs the plan's steps with AdamW and a cosine; `loss_of(model, pixels, ids)` is the objective."""
    plan = model.plan
    generator = torch.Generator().manual_seed(plan.seed)
    matrices = [p for p in model.parameters() if p.ndim > 1]
    vectors = [p for p in model.parameters() if p.ndim <= 1]
    optimizer = torch.optim.AdamW(
        [{"params": matrices, "weight_decay": 0.05}, {"params": vectors, "weight_decay": 0}],
        lr=2e-3,
        betas=(0.9, 0.98),
    )
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda s: min((s + 1) / 100, 0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * s / plan.steps)))
    )
    manner = plan.manner if plan.kind == "captioner" else "mixed"
    started, running = time.process_time(), None
    model.train()
    for step in range(plan.steps):
        pixels, ids = examples.batch(plan.batch, manner, generator)
        crops = plan.kind == "teacher" and step % 2 == 1
        loss = loss_of(model, normalized(disturbed(pixels, generator, crops), plan), ids)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        running = loss.item() if running is None else 0.98 * running + 0.02 * loss.item()
        if (step + 1) % 200 == 0:
            log(
                f"  {plan.name} step {step + 1}/{plan.steps}: loss {running:.3f}, "
                f"{time.process_time() - started:.0f} s of CPU"
            )
    model.eval()


def contrastive_loss(model, pixels, ids):
    """CLIP's symmetric cross-entropy over the batch."""
    logits = model.scale.clamp(max=math.log(60)).exp() * model.embed_images(pixels) @ model.embed_texts(ids).T
    targets = torch.arange(len(logits))
    return (functional.cross_entropy(logits, targets) + functional.cross_entropy(logits.T, targets)) / 2


def caption_loss(model, pixels, ids):
    """Cross-entropy of each next token; padding does not count."""
    logits = model(pixels, ids[:, :-1])
    return functional.cross_entropy(logits.flatten(0, 1), ids[:, 1:].flatten(), ignore_index=0)


@torch.no_grad()
def retrieval(model, held_out):
    """The shares of 256 held-out pictures whose own caption is the nearest of all, and within five."""
    pixels = normalized(held_out.pixels[:256], model.plan)
    scores = model.embed_images(pixels) @ model.embed_texts(held_out.ids["terse"][:256, 0]).T
    ranks = (scores > scores.diagonal().unsqueeze(1)).sum(1)
    return float((ranks == 0).float().mean()), float((ranks < 5).float().mean())


def seeded(plan):
    """Makes weights and draws reproducible from the plan's seed."""
    torch.manual_seed(plan.seed)
    random.seed(plan.seed)
