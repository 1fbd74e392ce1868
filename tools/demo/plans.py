"""What is trained: sizes, seeds and lengths of the four models. Together the packages stay under 12 MB."""

from dataclasses import dataclass

CLIP_MEAN, CLIP_STD = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)
HALF = (0.5, 0.5, 0.5)
MERGES = 350


@dataclass(frozen=True)
class TeacherPlan:
    name: str
    seed: int
    image_size: int
    image_width: int
    image_layers: int
    text_width: int
    text_layers: int
    heads: int
    embedding_width: int
    mean: tuple
    std: tuple
    steps: int
    batch: int = 128
    context_length: int = 32
    kind: str = "teacher"


@dataclass(frozen=True)
class CaptionerPlan:
    name: str
    seed: int
    manner: str
    image_size: int
    width: int
    image_layers: int
    unimodal_layers: int
    cross_layers: int
    heads: int
    mean: tuple
    std: tuple
    steps: int
    batch: int = 64
    max_length: int = 30
    kind: str = "captioner"


# The longest first, so that two at a time end together. teacher-b sees 48 pixels: smaller than the demo's
# crop, so that a run also resizes views for a teacher.
PLANS = (
    CaptionerPlan("captioner-b", 14, "full", 64, 96, 2, 1, 2, 4, HALF, HALF, steps=2400),
    CaptionerPlan("captioner-a", 13, "terse", 64, 88, 2, 1, 2, 4, CLIP_MEAN, CLIP_STD, steps=2200),
    TeacherPlan("teacher-a", 11, 64, 96, 2, 80, 2, 4, 96, CLIP_MEAN, CLIP_STD, steps=1000),
    TeacherPlan("teacher-b", 12, 48, 80, 2, 64, 2, 4, 64, HALF, HALF, steps=1400),
)
