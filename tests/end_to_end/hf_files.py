# SPDX-License-Identifier: MIT
"""Directories of Hugging Face's GPT-2, written with numpy alone."""
import json
import struct

import numpy as np

DTYPES = {"float32": "F32", "float16": "F16", "int64": "I64", "uint8": "U8", "uint16": "BF16"}


def write_safetensors(path, tensors):
    """`tensors`: name → array; uint16 stands for bfloat16."""
    header, at = {"__metadata__": {"format": "pt"}}, 0
    for name, array in tensors.items():
        header[name] = {"dtype": DTYPES[str(array.dtype)], "shape": list(array.shape),
                        "data_offsets": [at, at + array.nbytes]}
        at += array.nbytes
    text = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + b"".join(a.tobytes() for a in tensors.values()))


def read_safetensors(path):
    """name → (dtype, shape, bytes)"""
    data = path.read_bytes()
    (length,) = struct.unpack("<Q", data[:8])
    header = json.loads(data[8:8 + length])
    header.pop("__metadata__", None)
    start = 8 + length
    return {name: (t["dtype"], t["shape"], data[start + t["data_offsets"][0]:start + t["data_offsets"][1]])
            for name, t in header.items()}


def config(vocabulary, **more):
    return {"model_type": "gpt2", "architectures": ["GPT2LMHeadModel"], "activation_function": "gelu_new",
            "n_layer": 2, "n_embd": 24, "n_head": 3, "n_positions": 32, "n_inner": None,
            "layer_norm_epsilon": 1e-5, "vocab_size": vocabulary, "attn_pdrop": 0.1, **more}


def tensors(config, seed=1):
    """Random float32 weights for a configuration, names with `transformer.`."""
    draw = np.random.default_rng(seed)
    c, v, t = config["n_embd"], config["vocab_size"], config["n_positions"]
    f = config["n_inner"] or 4 * c
    shapes = {"wte.weight": (v, c), "wpe.weight": (t, c)}
    for layer in range(config["n_layer"]):
        for name, shape in (("ln_1", (c,)), ("attn.c_attn", (c, 3 * c)), ("attn.c_proj", (c, c)),
                            ("ln_2", (c,)), ("mlp.c_fc", (c, f)), ("mlp.c_proj", (f, c))):
            shapes[f"h.{layer}.{name}.weight"] = shape
            shapes[f"h.{layer}.{name}.bias"] = shape[-1:]
    shapes["ln_f.weight"] = shapes["ln_f.bias"] = (c,)
    out = {}
    for name, shape in shapes.items():
        centre = 1.0 if "ln_" in name and name.endswith("weight") else 0.0
        out["transformer." + name] = (centre + 0.2 * draw.standard_normal(shape)).astype(np.float32)
    if not config.get("tie_word_embeddings", True):
        out["lm_head.weight"] = (0.2 * draw.standard_normal((v, c))).astype(np.float32)
    return out


def write_model(folder, config, tensors):
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps(config))
    write_safetensors(folder / "model.safetensors", tensors)
    return folder


def write_shards(folder, config, tensors, files=2):
    """The same in several files with an index."""
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps(config))
    where = {}
    for i in range(files):
        name = f"model-{i + 1:05}-of-{files:05}.safetensors"
        part = dict(list(tensors.items())[i::files])
        write_safetensors(folder / name, part)
        where.update(dict.fromkeys(part, name))
    (folder / "model.safetensors.index.json").write_text(json.dumps({"metadata": {}, "weight_map": where}))
    return folder
