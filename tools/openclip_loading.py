"""OpenCLIP models with their tokenizers, from names, hubs, folders and files.

What OpenCLIP would load by the same name and options is what comes out. A name, a tag, a file or a folder
that is not there stops with what is wrong before anything is built, and nothing falls back on random weights
where weights were asked for.
"""

import difflib
import json
import pathlib
import pickle
import sys
import tempfile
import zipfile

import open_clip
import torch
from open_clip.coca_model import CoCa
from open_clip.factory import _find_checkpoint_in_dir
from open_clip.pretrained import get_pretrained_cfg, list_pretrained_tags_by_model
from safetensors import SafetensorError

# What OpenCLIP's create_model raises where a file is damaged, does not fit, or cannot be fetched.
REFUSALS = (
    RuntimeError, OSError, ValueError, LookupError, TypeError, AssertionError, EOFError, ImportError,
    pickle.UnpicklingError, SafetensorError,
)


def first_lines(error, count=4):
    """What an error says, cut: OpenCLIP's lists of parameters go on for pages."""
    lines = [line.strip()[:300] for line in str(error).splitlines() if line.strip()]
    return "\n    ".join([type(error).__name__, *lines[:count], *(["…"] if len(lines) > count else [])])


def configured(file):
    """Registers a configuration file; gives the model's name and the preprocessing that the file asks for.

    The file is one of OpenCLIP's (embed_dim, vision_cfg, text_cfg) or a hub's open_clip_config.json, which
    wraps such a one and names mean, std and size as well.
    """
    path = pathlib.Path(file)
    try:
        held = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        sys.exit(f"{file} cannot be read as JSON: {error}")
    model = held.get("model_cfg", held)
    missing = [key for key in ("embed_dim", "vision_cfg", "text_cfg") if key not in model]
    if missing:
        sys.exit(f"{file} has no {', '.join(missing)}: it is no model configuration of OpenCLIP's")
    name = path.resolve().parent.name if path.stem == "open_clip_config" else path.stem
    with tempfile.TemporaryDirectory() as folder:
        bare = pathlib.Path(folder) / f"{name}.json"
        bare.write_text(json.dumps(model), encoding="utf-8")
        open_clip.add_model_config(bare)
    return name, held.get("preprocess_cfg", {})


def check_name(name):
    """Stops where OpenCLIP knows no such model, or a folder lacks what it needs."""
    if name.startswith("local-dir:"):
        folder = pathlib.Path(name.removeprefix("local-dir:"))
        if not (folder / "open_clip_config.json").is_file():
            sys.exit(f"{folder} has no open_clip_config.json: it is no folder of an OpenCLIP model")
        if _find_checkpoint_in_dir(folder) is None:
            sys.exit(
                f"{folder} has no .safetensors, .bin or .pth file with weights; for random weights give "
                f"{folder / 'open_clip_config.json'} instead")
    elif ":" not in name and open_clip.get_model_config(name) is None:
        near = difflib.get_close_matches(name, open_clip.list_models(), 4, 0.5)
        known = f"; it knows {', '.join(near)}" if near else ""
        sys.exit(f"OpenCLIP has no model \"{name}\"{known}; a configuration file ends with .json")


def check_weights(name, pretrained):
    """Stops where the tag or file of weights is none."""
    if pretrained is None:
        return
    if ":" in name:
        sys.exit(
            f"{name} brings its own weights, --pretrained {pretrained} would be ignored; to load them into "
            "its architecture give its open_clip_config.json as --model")
    if get_pretrained_cfg(name, pretrained) or pathlib.Path(pretrained).is_file():
        return
    tags = ", ".join(list_pretrained_tags_by_model(name)) or "none"
    sys.exit(f"\"{pretrained}\" is neither a file nor a tag of {name}, whose tags are: {tags}")


def is_script(file):
    """Whether a checkpoint is a TorchScript archive, as OpenAI published its models."""
    if not zipfile.is_zipfile(file):
        return False
    with zipfile.ZipFile(file) as archive:
        return any(name.endswith("/constants.pkl") for name in archive.namelist())


def find_tokenizer(name, folder):
    """The tokenizer that the model's configuration names, or the one of a folder in its place."""
    text = (open_clip.get_model_config(name) or {}).get("text_cfg", {})
    try:
        if folder is None:
            return open_clip.get_tokenizer(name)
        length = text.get("context_length", open_clip.tokenizer.DEFAULT_CONTEXT_LENGTH)
        return open_clip.tokenizer.HFTokenizer(
            folder, context_length=length, tokenizer_mode=text.get("tokenizer_mode"),
            **text.get("tokenizer_kwargs", {}))
    except REFUSALS as error:
        wanted = folder or text.get("hf_tokenizer_name") or name
        sys.exit(
            f"the tokenizer \"{wanted}\" cannot be opened: {first_lines(error)}\n--tokenizer FOLDER takes "
            "one that lies here (tokenizer.json, tokenizer_config.json, perhaps spiece.model)")


def create(name, pretrained, settings):
    """The model in fp32 and evaluation mode."""
    by_file = pretrained is not None and not get_pretrained_cfg(name, pretrained)
    try:
        # A TorchScript archive holds no pickled code, but torch.load refuses it as if it did.
        return open_clip.create_model(
            name, pretrained=pretrained, precision="fp32", pretrained_text=False,
            weights_only=not (by_file and is_script(pretrained)), **settings).eval()
    except REFUSALS as error:
        weights = f" with {pretrained}" if pretrained else ""
        advice = "is its file or its hub within reach, and are the weights this model's?"
        sys.exit(f"OpenCLIP cannot make {name}{weights}: {first_lines(error)}\n{advice}")


def load(model_name, pretrained, tokenizer=None, settings=None):
    """The model in evaluation mode, its tokenizer and its name: a known name, hf-hub:…, local-dir:…, or a
    configuration file. `tokenizer` is a folder that takes the place of the one the model names; `settings`
    are options of open_clip.create_model."""
    settings = dict(settings or {})
    name = model_name
    if name.endswith(".json"):
        name, preprocessing = configured(name)
        forced = {**preprocessing, **settings.get("force_preprocess_cfg", {})}
        # The size is the image tower's own.
        settings["force_preprocess_cfg"] = {key: forced[key] for key in forced if key != "size"}
    elif ":" not in name:
        # As OpenCLIP reads it: ViT-B/32 is ViT-B-32.
        name = name.replace("/", "-")
    try:
        check_name(name)
    except REFUSALS as error:
        sys.exit(f"{name} cannot be fetched: {first_lines(error)}")
    check_weights(name, pretrained)
    words = find_tokenizer(name, tokenizer)
    model = create(name, pretrained, settings)
    if isinstance(model, CoCa) and pretrained is None and ":" not in name:
        # OpenCLIP gives this one no initial values: it would hold whatever memory held.
        torch.nn.init.normal_(model.text_decoder.text_projection, std=model.text_decoder.width ** -0.5)
    return model, words, name
