"""tools/export_openclip.py on small models of every kind that OpenCLIP builds without a network.

Needs torch and open_clip; where they are missing the tests are skipped. Files stay in one folder for the
whole run, because making a tokenizer and a model takes longer than looking at it.
"""

import contextlib
import importlib.util
import io
import json
import pathlib
import sys
import tempfile
import unittest
import unittest.mock

TOOLS = pathlib.Path(__file__).resolve().parents[1]
NEEDED = ["torch", "open_clip", "onnx", "onnxscript", "onnxruntime", "transformers", "sentencepiece"]
MISSING = [name for name in NEEDED if importlib.util.find_spec(name) is None]

if not MISSING:
    sys.path[:0] = [str(TOOLS), str(TOOLS / "oracles")]
    import export_openclip
    import finish_package
    import numpy as np
    import onnx
    import open_clip
    import openclip_text
    import safetensors.torch
    import sentencepiece_rows
    import torch
    import transformers
    import word_rows

    class Echo(torch.nn.Module):
        """Holds weights under their names, as OpenAI's TorchScript archives do."""

        def __init__(self, weights):
            super().__init__()
            for name, value in weights.items():
                *owners, attribute = name.split(".")
                holder = self
                for owner in owners:
                    if owner not in dict(holder.named_children()):
                        holder.add_module(owner, torch.nn.Module())
                    holder = holder.get_submodule(owner)
                holder.register_parameter(attribute, torch.nn.Parameter(value))

        def forward(self, x):
            return x


VISION = {"layers": 2, "width": 32, "head_width": 16, "patch_size": 8, "image_size": 32}
TEXT = {"context_length": 77, "vocab_size": 49408, "width": 32, "heads": 2, "layers": 2}


def coca(context):
    """A CoCa as OpenCLIP's configurations describe them, small."""
    text = TEXT | {"context_length": context}
    return {
        "embed_dim": 32, "custom_text": True,
        "vision_cfg": VISION | {"attentional_pool": True, "attn_pooler_heads": 2, "output_tokens": True},
        "text_cfg": text | {"embed_cls": True, "output_tokens": True},
        "multimodal_cfg": text | {"attn_pooler_heads": 2},
    }


def siglip(folder):
    """A SigLIP: timm's image tower with attention pooling, bidirectional text, the last token's output."""
    return {
        "embed_dim": 64, "init_logit_bias": -10, "custom_text": True,
        "vision_cfg": {
            "image_size": 160, "timm_model_name": "test_vit", "timm_model_pretrained": False,
            "timm_pool": "map", "timm_proj": "none",
        },
        "text_cfg": {
            "context_length": 64, "vocab_size": 1000, "hf_tokenizer_name": str(folder),
            "tokenizer_kwargs": {"clean": "canonicalize"}, "width": 64, "heads": 2, "layers": 2,
            "no_causal_mask": True, "proj_bias": True, "pool_type": "last", "norm_kwargs": {"eps": 1e-6},
        },
    }


@unittest.skipIf(MISSING, f"{', '.join(MISSING)} missing: tools/venv.sh --torch installs them")
class ExportTests(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.scratch = tempfile.TemporaryDirectory()
        cls.folder = pathlib.Path(cls.scratch.name)

    @classmethod
    def tearDownClass(cls):
        cls.scratch.cleanup()

    def export(self, name, configuration, *options):
        """Runs the tool on a configuration file; gives the package's folder, model.json and the output."""
        file = self.folder / f"{name}.json"
        file.write_text(json.dumps(configuration))
        out = self.folder / f"{name}-package"
        printed = io.StringIO()
        command = ["export_openclip.py", "--model", str(file), "--out", str(out), *options]
        with unittest.mock.patch.object(sys, "argv", command), contextlib.redirect_stdout(printed):
            export_openclip.main()
        return out, json.loads((out / "model.json").read_text()), printed.getvalue()

    def finish_by_hand(self, package, description):
        """Takes away what tools/finish_package.py adds, and lets it: the graphs' own answers come out."""
        bare = {key: value for key, value in description.items() if key not in ("files", "probe")}
        (package / "model.json").write_text(json.dumps(bare))
        (package / "probe.npz").unlink()
        finish_package.finish(package)
        finished = json.loads((package / "model.json").read_text())
        self.assertEqual(sorted(finished["files"]), sorted(description["files"]))
        probe = np.load(package / "probe.npz")
        if description["kind"] == "teacher":
            self.assertEqual(probe["ids"].shape, (16, description["text"]["context_length"]))
            lengths = np.linalg.norm(probe["image_embedding"], axis=1)
            self.assertLess(np.abs(lengths - 1).max(), 1e-5)
        else:
            texts = probe["greedy_ids"]
            self.assertEqual(texts.shape, (16, description["captioner"]["max_length"]))
            self.assertTrue((texts[:, 0] == 49406).all() and (texts[:, 1] != 0).all())

    def test_longest_context_of_coca(self):
        _, description, _ = self.export("coca-256", coca(256))
        self.assertEqual(description["captioner"]["max_length"], 256)
        self.assertEqual(description["text"]["context_length"], 256)

    def test_siglip(self):
        tokenizer = self.folder / "siglip-tokenizer"
        sentencepiece_rows.write_tokenizer("unigram", tokenizer)
        out, description, _ = self.export("siglip", siglip(tokenizer))
        text = description["text"]
        self.assertEqual(text["tokenizer"], "sentencepiece")
        self.assertEqual((text["clean"], text["end"], text["pad"]), ("canonicalize", 1, 1))
        self.assertIn("spiece.model", description["files"])
        self.assertEqual(np.load(out / "probe.npz")["ids"].shape, (16, 64))

    def test_sentencepiece_with_and_without_its_model_file(self):
        for kind, file in (("unigram", "spiece.model"), ("bpe", "tokenizer.model")):
            for published in (True, False):
                with self.subTest(kind=kind, published=published):
                    folder = self.folder / f"{kind}-{published}"
                    sentencepiece_rows.write_tokenizer(kind, folder)
                    if not published:
                        # As on the hub: tokenizer.json alone, with nothing that asks for another file.
                        (folder / file).unlink()
                        settings = json.loads((folder / "tokenizer_config.json").read_text())
                        settings.pop("add_prefix_space", None)
                        (folder / "tokenizer_config.json").write_text(json.dumps(settings))
                    tokenizer = open_clip.tokenizer.HFTokenizer(
                        str(folder), context_length=64, clean="canonicalize")
                    keys, files = openclip_text.write_tokenizer(tokenizer, folder)
                    self.assertEqual(files, ["spiece.model"])
                    self.assertEqual(keys["pad"], 1 if kind == "unigram" else 0)

    def test_byte_pairs_that_are_cut_where_a_pre_tokenizer_marks_words(self):
        """NLLB's tokenizer.json on the hub: its normalizer only joins spaces, Metaspace marks the words."""
        folder = self.folder / "marked-later"
        sentencepiece_rows.write_tokenizer("bpe", folder)
        (folder / "tokenizer.model").unlink()
        file = folder / "tokenizer.json"
        described = json.loads(file.read_text())
        spaces = {"type": "Replace", "pattern": {"Regex": " {2,}"}, "content": " "}
        described["normalizer"] = {"type": "Sequence", "normalizers": [spaces]}
        described["pre_tokenizer"] = {
            "type": "Metaspace", "replacement": "\u2581", "prepend_scheme": "always", "split": True}
        file.write_text(json.dumps(described))
        tokenizer = open_clip.tokenizer.HFTokenizer(str(folder), context_length=64)
        _, files = openclip_text.write_tokenizer(tokenizer, folder)
        self.assertEqual(files, ["spiece.model"])

    def test_words(self):
        """CLIPA's and OpenVision's tokenizers are BERT's, each with a row of its own; and RoBERTa's."""
        for kind, tokenizer, end, last in (
            ("clipa", "wordpiece", 0, {0}), ("clips", "wordpiece", 2, {4}),
            ("roberta", "byte_level_bpe", 2, {1, 2}),
        ):
            with self.subTest(kind=kind):
                folder = self.folder / f"{kind}-words"
                word_rows.write_tokenizer(kind, folder)
                settings = dict(word_rows.KINDS[kind])
                text = {
                    "context_length": settings.pop("context_length"), "vocab_size": 1000, "width": 32,
                    "heads": 2, "layers": 1, "no_causal_mask": True, "hf_tokenizer_name": str(folder),
                    "tokenizer_mode": settings.pop("tokenizer_mode", None), "tokenizer_kwargs": settings}
                configuration = {"embed_dim": 24, "custom_text": True, "vision_cfg": VISION, "text_cfg": text}
                out, description, _ = self.export(kind, configuration)
                found = description["text"]
                self.assertEqual((found["tokenizer"], found["end"]), (tokenizer, end))
                ids = np.load(out / "probe.npz")["ids"]
                self.assertEqual(set(ids[:, -1]), last)
                self.finish_by_hand(out, description)

    def test_tokenizers_of_other_kinds_are_refused_with_advice(self):
        described = {"type": "BertNormalizer", "clean_text": True, "strip_accents": None, "lowercase": True}
        for change, words in (
            ({"normalizer": described | {"handle_chinese_chars": False}}, "handle_chinese_chars is False"),
            ({"pre_tokenizer": {"type": "Whitespace"}}, "pre-tokenizer is Whitespace"),
            ({"normalizer": {"type": "Lowercase"}}, "normalizer is Lowercase"),
        ):
            with self.subTest(words=words):
                folder = self.folder / f"other-{len(words)}"
                word_rows.write_tokenizer("cased", folder)
                file = folder / "tokenizer.json"
                file.write_text(json.dumps(json.loads(file.read_text()) | change))
                tokenizer = open_clip.tokenizer.HFTokenizer(str(folder), context_length=32)
                tokenizer.tokenizer = transformers.PreTrainedTokenizerFast(
                    tokenizer_file=str(file), cls_token="[CLS]", sep_token="[SEP]", pad_token="[PAD]")
                with self.assertRaisesRegex(SystemExit, f"{words}; only BERT's.*choose one that has"):
                    openclip_text.write_tokenizer(tokenizer, folder)

    def test_weights_beside_the_graph(self):
        configuration = {"embed_dim": 24, "vision_cfg": VISION, "text_cfg": TEXT}
        out, description, _ = self.export("external", configuration, "--largest-graph", "100000")
        self.assertIn("text.onnx.data", description["files"])
        self.assertLess((out / "text.onnx").stat().st_size, 1_000_000)
        self.assertGreater((out / "text.onnx.data").stat().st_size, 6_000_000)
        self.finish_by_hand(out, description)

    def test_half_precision(self):
        configuration = {"embed_dim": 24, "vision_cfg": VISION, "text_cfg": TEXT}
        for precision, element in (
            ("fp16", onnx.TensorProto.FLOAT16), ("bf16", onnx.TensorProto.BFLOAT16),
        ):
            with self.subTest(precision=precision):
                out, description, printed = self.export(
                    f"clip-{precision}", configuration, "--precision", precision)
                self.assertEqual(description["precision"], precision)
                graph = onnx.load(str(out / "image.onnx")).graph
                self.assertEqual(graph.input[0].type.tensor_type.elem_type, element)
                compared = "largest relative difference" in printed
                self.assertNotEqual(compared, "NOT compared" in printed)
                self.assertEqual(compared, precision == "fp16")

    def test_a_graph_that_computes_otherwise_is_refused(self):
        original = export_openclip.export_graph

        def tampered(module, arguments, names, outputs, dynamic, path, largest):
            original(module, arguments, names, outputs, dynamic, path, largest)
            model = onnx.load(str(path))
            for weights in model.graph.initializer:
                values = onnx.numpy_helper.to_array(weights)
                if values.dtype == np.float32 and values.ndim == 2:
                    changed = values.copy()
                    changed.flat[::7] += 0.05
                    weights.CopyFrom(onnx.numpy_helper.from_array(changed, weights.name))
            onnx.save(model, str(path))

        configuration = {"embed_dim": 24, "vision_cfg": VISION, "text_cfg": TEXT}
        with unittest.mock.patch.object(export_openclip, "export_graph", tampered):
            with self.assertRaisesRegex(SystemExit, "image.onnx differs from PyTorch by .*: no package"):
                self.export("tampered", configuration)
        self.assertFalse((self.folder / "tampered-package" / "model.json").exists())

    def test_what_cannot_be_exported_is_said(self):
        configuration = {"embed_dim": 24, "vision_cfg": VISION, "text_cfg": TEXT}
        with self.assertRaisesRegex(SystemExit, "only square ones"):
            self.export(
                "oblong", configuration | {"vision_cfg": VISION | {"image_size": [32, 64]}})
        captioner = coca(77)
        seeing = captioner | {"text_cfg": captioner["text_cfg"] | {"no_causal_mask": True}}
        with self.assertRaisesRegex(SystemExit, "no_causal_mask, .*--kind teacher"):
            self.export("seeing", seeing)
        cascade = VISION | {"attentional_pool": "cascade", "attn_pooler_heads": 2}
        with self.assertRaisesRegex(SystemExit, "OpenCLIP itself cannot run the model"):
            self.export("cascade", configuration | {"vision_cfg": cascade})
        with self.assertRaisesRegex(SystemExit, "only CoCa models caption"):
            self.export("no-decoder", configuration, "--kind", "captioner")

    def test_what_cannot_be_loaded_is_said(self):
        configuration = {"embed_dim": 24, "vision_cfg": VISION, "text_cfg": TEXT}
        folder = self.folder / "hub"
        folder.mkdir()
        with self.assertRaisesRegex(SystemExit, "no open_clip_config.json"):
            export_openclip.load(f"local-dir:{folder}", None)
        (folder / "open_clip_config.json").write_text(json.dumps({"model_cfg": configuration}))
        with self.assertRaisesRegex(SystemExit, "no .safetensors, .bin or .pth file with weights"):
            export_openclip.load(f"local-dir:{folder}", None)
        damaged = folder / "open_clip_model.safetensors"
        damaged.write_bytes(b"no weights")
        with self.assertRaisesRegex(SystemExit, "OpenCLIP cannot make local-dir"):
            export_openclip.load(f"local-dir:{folder}", None)
        with self.assertRaisesRegex(SystemExit, "brings its own weights"):
            export_openclip.load(f"local-dir:{folder}", "my.pt")
        with self.assertRaisesRegex(SystemExit, "no model \"ViT-B-23\"; it knows .*ViT-B-32"):
            export_openclip.load("ViT-B-23", None)
        with self.assertRaisesRegex(SystemExit, "neither a file nor a tag of ViT-B-32, .*: openai, "):
            export_openclip.load("ViT-B/32", "nowhere.pt")
        with self.assertRaisesRegex(SystemExit, "has no embed_dim, text_cfg"):
            (self.folder / "bare.json").write_text('{"vision_cfg": {}}')
            export_openclip.load(str(self.folder / "bare.json"), None)
        named = siglip(folder / "nowhere")
        (self.folder / "named.json").write_text(json.dumps(named))
        with self.assertRaisesRegex(SystemExit, "cannot be opened: (.|\n)*--tokenizer FOLDER"):
            export_openclip.load(str(self.folder / "named.json"), None)

    def test_checkpoints(self):
        """Weights in every wrapping give the graphs that they give in OpenCLIP."""
        configuration = {"embed_dim": 24, "vision_cfg": VISION, "text_cfg": TEXT}
        file = self.folder / "wrapped.json"
        hub = {"model_cfg": configuration, "preprocess_cfg": {"mean": [0, 0, 0], "interpolation": "bilinear"}}
        file.write_text(json.dumps(hub))
        torch.manual_seed(3)
        original = open_clip.model.CLIP(24, VISION, TEXT).eval()
        weights = original.state_dict()
        safetensors.torch.save_file(weights, str(self.folder / "bare.safetensors"))
        torch.save(weights, self.folder / "bare.bin")
        wrapped = {"epoch": 3, "state_dict": {f"module.{name}": part for name, part in weights.items()}}
        torch.save(wrapped, self.folder / "epoch_3.pt")
        torch.jit.trace(Echo(weights), torch.zeros(1)).save(str(self.folder / "script.pt"))
        for name in ("bare.safetensors", "bare.bin", "epoch_3.pt", "script.pt"):
            model, _, _ = export_openclip.load(str(file), str(self.folder / name))
            self.assertTrue(torch.equal(model.visual.proj, original.visual.proj))
            self.assertEqual(open_clip.get_model_preprocess_cfg(model)["interpolation"], "bilinear")
            self.assertEqual(tuple(open_clip.get_model_preprocess_cfg(model)["mean"]), (0, 0, 0))
        with self.assertRaisesRegex(SystemExit, "are the weights this model's"):
            export_openclip.load("ViT-B-32", str(self.folder / "bare.bin"))

    def test_families(self):
        """Towers that differ in how they pool, attend and normalise; the exporter compares each graph."""
        plain = {"embed_dim": 24, "vision_cfg": VISION, "text_cfg": TEXT}
        families = {
            "resnet": plain | {
                "vision_cfg": {"layers": [1, 1, 1, 1], "width": 16, "image_size": 32},
                "text_cfg": TEXT | {"pool_type": "last", "no_causal_mask": True, "context_length": 32},
            },
            "convnext": plain | {"custom_text": True, "vision_cfg": {
                "timm_model_name": "convnext_atto", "timm_pool": "", "timm_proj": "mlp", "image_size": 64}},
        }
        for name, configuration in families.items():
            with self.subTest(family=name):
                _, description, _ = self.export(name, configuration)
                self.assertEqual((description["kind"], description["embedding_width"]), ("teacher", 24))

    def test_decoders_of_other_heads(self):
        """Caches have the heads that all layers share; custom blocks and larger vocabularies decode too."""
        custom = {"qk_norm": True, "scale_heads": True, "scale_attn_inner": True, "scale_attn": True}
        uneven = coca(40) | {"quick_gelu": True}
        uneven["vision_cfg"] |= custom
        uneven["text_cfg"] |= custom | {"heads": 4, "vocab_size": 49500}
        uneven["multimodal_cfg"] |= {"vocab_size": 49500}
        package, description, _ = self.export("uneven", uneven)
        self.finish_by_hand(package, description)
        shape = description["captioner"]
        self.assertEqual((shape["heads"], shape["head_width"]), (4, 8))
        self.assertEqual(description["text"]["vocab_size"], 49500)
        out, description, _ = self.export("uneven-teacher", uneven, "--kind", "teacher")
        self.assertEqual((description["kind"], description["embedding_width"]), ("teacher", 32))
        self.assertEqual(np.load(out / "probe.npz")["ids"].shape, (16, 40))


if __name__ == "__main__":
    unittest.main()
