"""The same model in other files: number formats, shards, adapters, exports."""

import json

import torch
from safetensors.torch import load_file, save_file
from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer import modules
from tests.encoders import tiny
from tests.encoders.zoo.parts import WIDTH, bare, edited, save, transformer
from tests.encoders.zoo.pipelines import static


def plain(folder):
    return save(folder, transformer(folder), modules.Pooling(WIDTH), modules.Normalize())


def in_dtype(dtype):
    def build(folder):
        model = plain(folder)
        tensors = {name: tensor.to(dtype) for name, tensor in load_file(model / "model.safetensors").items()}
        save_file(tensors, model / "model.safetensors", metadata={"format": "pt"})
        edited(model / "config.json", dtype=str(dtype).removeprefix("torch."))
        return model

    return build


def pickled(folder):
    """pytorch_model.bin, as old releases saved."""
    model = plain(folder)
    torch.save(load_file(model / "model.safetensors"), model / "pytorch_model.bin")
    (model / "model.safetensors").unlink()
    return model


def sharded(kind):
    def build(folder):
        model = plain(folder)
        tensors = load_file(model / "model.safetensors")
        names = sorted(tensors)
        parts = [names[: len(names) // 2], names[len(names) // 2 :]]
        ending, base = ("safetensors", "model") if kind == "safetensors" else ("bin", "pytorch_model")
        files = {}
        for place, part in enumerate(parts, start=1):
            file = f"{base}-{place:05}-of-00002.{ending}"
            chosen = {name: tensors[name] for name in part}
            if kind == "safetensors":
                save_file(chosen, model / file, metadata={"format": "pt"})
            else:
                torch.save(chosen, model / file)
            files |= dict.fromkeys(part, file)
        index = {
            "metadata": {"total_size": sum(t.numel() * t.element_size() for t in tensors.values())},
            "weight_map": files,
        }
        (model / f"{base}.{ending}.index.json").write_text(json.dumps(index))
        (model / "model.safetensors").unlink()
        return model

    return build


def adapter(folder):
    """A LoRA adapter of peft in a sentence-transformers directory, its base beside it."""
    from peft import LoraConfig

    model = plain(folder)
    opened = SentenceTransformer(str(model), device="cpu")
    torch.manual_seed(9)
    opened.add_adapter(LoraConfig(r=4, target_modules=["query", "value"], init_lora_weights=False))
    opened.save(str(folder / "adapted"))
    return folder / "adapted"


def bare_bert(folder):
    return bare(folder, tiny.config("bert"))


def static_bf16(folder):
    model = save(folder, static(WIDTH))
    found = next(model.rglob("model.safetensors"))
    save_file({name: tensor.bfloat16() for name, tensor in load_file(found).items()}, found)
    return model


def legacy(folder):
    return tiny.legacy(plain(folder))


STORAGE = {
    "bfloat16 weights": in_dtype(torch.bfloat16),
    "float16 weights": in_dtype(torch.float16),
    "pytorch_model.bin": pickled,
    "sharded safetensors": sharded("safetensors"),
    "sharded .bin": sharded("bin"),
    "lora adapter": adapter,
    "a bare transformers directory": bare_bert,
    "static, bfloat16": static_bf16,
    "settings of release 2": legacy,
}
