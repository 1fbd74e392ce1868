"""The trainer example: the views and the loss are what the stored rows mean.

Run: python3 -m unittest discover tools/tests
"""

import pathlib
import sys
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "tools"), str(ROOT / "tools/trainer")]

try:
    import numpy
    import torch
    from dataset_checks import recompute

    import reinforced

    MISSING = None
except ImportError as error:
    MISSING = f"{error.name} is not installed"

AUGMENTATION = {
    "random_resized_crop": {"size": 64, "interpolation": "bicubic"},
    "rand_augment": {"enable": True},
}


def rows(*shape):
    return torch.nn.functional.normalize(torch.randn(*shape), dim=-1)


@unittest.skipIf(MISSING, MISSING)
class TrainerTests(unittest.TestCase):
    def setUp(self):
        torch.manual_seed(3)

    def test_views_are_those_of_the_conformance_check(self):
        from PIL import Image

        chance = numpy.random.default_rng(5)
        image = Image.fromarray(chance.integers(0, 256, (90, 120, 3), dtype=numpy.uint8))
        for number in range(14):
            view = [[3, 5, 60, 70], [[number, 7.0 if number in (10, 11) else 0.25], [5, -9.5]]]
            wanted = recompute.reapply(image, view, {**dict.fromkeys(NAMES), **AUGMENTATION})
            found = reinforced.reapplied(image, view, 64)
            self.assertEqual(found.tobytes(), wanted.tobytes(), reinforced.OPERATIONS[number])

    def test_a_student_that_agrees_with_its_teacher_has_no_loss(self):
        images, texts = rows(8, 16), rows(8, 16)
        loss = reinforced.distillation_loss(images, texts, 50, images, texts, [16], [50])
        self.assertAlmostEqual(float(loss), 0, places=5)
        other = reinforced.distillation_loss(images, rows(8, 16), 50, images, texts, [16], [50])
        self.assertGreater(float(other), 0.1)

    def test_each_teacher_has_a_softmax_of_its_own(self):
        images, texts = rows(8, 16), rows(8, 16)
        teachers = [(rows(8, width), rows(8, width)) for width in (6, 10)]
        apart = [
            reinforced.distillation_loss(images, texts, 20, of_images, of_texts, [of_images.shape[1]], [30])
            for of_images, of_texts in teachers
        ]
        beside = [torch.cat(parts, 1) for parts in zip(*teachers)]
        both = reinforced.distillation_loss(images, texts, 20, *beside, [6, 10], [30, 30])
        self.assertAlmostEqual(float(both), float(sum(apart)) / 2, places=4)

    def test_clip_loss_is_least_for_the_own_texts(self):
        images = rows(8, 16)
        own, others = (reinforced.clip_loss(images, texts, 50) for texts in (images, rows(8, 16)))
        self.assertLess(float(own), float(others))


NAMES = (
    "uint8 resize center_crop random_crop random_resized_crop random_horizontal_flip rand_augment to_tensor "
    "random_erase normalize"
).split()

if __name__ == "__main__":
    unittest.main()
