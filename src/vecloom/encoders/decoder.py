"""Decoders as encoders: LLaMA, Mistral and Qwen networks that see both sides of each token, or only the left one.

Source: NV-Embed (arXiv:2405.17428), section 3.1: the causal mask is taken away, in training and in use; what is left masks
padding only, without a sliding window. transformers (from 5.2) does this for ``is_causal: false`` in ``config.json``, in mask
and kernels alike, so the directory needs no code of its own for it. Last-token pooling and weights by position, from SGPT
(arXiv:2202.08904), are for networks that stay causal.

A text's ids get the end token behind them, whatever the tokenizer did before: some add none, or did so only in some releases.
It survives truncation, so that a text always has a token to pool. Padding may stand on either side: rotary positions are
relative, so that states do not depend on it.

When to use it: to make an embedding model of a base or chat model, before training. Untrained vectors are of little use.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from vecloom.encoders.latent_attention import FF_MULT, HEADS, LATENTS
from vecloom.errors import ModelError, first_line
from vecloom.runtime.directory import read_spec
from vecloom.runtime.torch_session import check_release, quiet_loading

FAMILIES = ("llama", "mistral", "qwen2", "qwen3")
"""``model_type`` of networks whose states were shown to see both sides; ``tests/encoders/test_decoder.py``."""

_TEXT_ONLY = {"text": {"method": "forward", "method_output_name": "last_hidden_state"}}


@dataclass(frozen=True)
class DecoderSettings:
    """How a decoder becomes an encoder.

    Attributes:
        attention: "bidirectional", or "causal" as it was.
        pooling: "latent" (trained, see ``latent_attention``), "mean", "lasttoken" or "weightedmean".
        include_prompt: whether a prompt's tokens are pooled; they are always read.
        end_token: add the end-of-text token behind each text.
        padding: side of the padding.
        normalize: scale vectors to length 1.
        latents: rows of the learned table.
        heads: heads of the latent attention.
        dim_head: width of each; the network's width over the heads by default.
        ff_mult: width of its feed-forward, in widths of the network.
    """

    attention: Literal["bidirectional", "causal"] = "bidirectional"
    pooling: Literal["latent", "mean", "lasttoken", "weightedmean"] = "latent"
    include_prompt: bool = False
    end_token: bool = True
    padding: Literal["right", "left"] = "right"
    normalize: bool = True
    latents: int = LATENTS
    heads: int = HEADS
    dim_head: int | None = None
    ff_mult: int = FF_MULT


def open_decoder(
    directory: str | Path,
    settings: DecoderSettings | None = None,
    *,
    device: str = "cpu",
    max_length: int | None = None,
    prompts: dict[str, str] | None = None,
) -> Any:
    """A ``SentenceTransformer`` around a decoder; save it with ``save_pretrained``.

    Args:
        directory: a transformers or sentence-transformers directory; of the latter only the network is taken.
        settings: how it is used; NV-Embed's way by default.
        device: where it computes.
        max_length: tokens after which a text is cut; the tokenizer's or network's limit by default.
        prompts: name to text, such as {"query": instruction("...")}.

    Raises:
        ModelError: the network is of another family, the tokenizer has no end token, or the model has trained
            latent-attention pooling already.
        BackendError: transformers is older than 5.2.
    """
    wanted = settings or DecoderSettings()
    spec = read_spec(Path(directory))
    if "LatentAttentionPooling" in spec.extra_modules:
        raise ModelError(
            f"{directory} is an embedding model with trained latent-attention pooling already.",
            "Leave the decoder settings out to go on training it.",
        )
    if wanted.attention == "bidirectional":
        _check_family(str(spec.config.get("model_type")))
    module = _transformer(spec.weights_path, wanted, max_length)
    if wanted.attention == "bidirectional":
        make_bidirectional(module)
    else:
        module.model.config.is_causal = True
    return _pipeline(module, wanted, device, prompts)


def make_bidirectional(module: Any) -> None:
    """Let each token of a sentence-transformers ``Transformer`` see all others; it is saved with the network.

    Args:
        module: one around a network of ``FAMILIES``; it changes.

    Raises:
        ModelError: the network is of another family.
        BackendError: transformers is too old.
    """
    import transformers

    config = module.model.config
    check_release({"is_causal": False})
    _check_family(config.model_type)
    config.is_causal = False
    config.sliding_window = None
    sliding = [kind for kind in getattr(config, "layer_types", None) or [] if kind != "full_attention"]
    if sliding:  # layers have read their kind when they were built
        config.use_sliding_window = False
        config.layer_types = ["full_attention"] * config.num_hidden_layers
        weights = module.model.state_dict()
        network = transformers.AutoModel.from_config(config, dtype=module.model.dtype)
        network.load_state_dict(weights)
        module.model = network.to(module.model.device).train(module.model.training)


def _check_family(kind: str) -> None:
    if kind not in FAMILIES:
        raise ModelError(
            f"A {kind} network cannot be made bidirectional.",
            f"Known: {', '.join(FAMILIES)}. Others stay as they are with attention: causal.",
        )


def instruction(task: str) -> str:
    r"""The prompt of NV-Embed and E5-Mistral for a task: ``"Instruct: TASK\nQuery: "``."""
    return f"Instruct: {task}\nQuery: "


def _transformer(directory: Path, settings: DecoderSettings, max_length: int | None) -> Any:
    from vecloom.encoders import prompted

    made = prompted.Transformer if not settings.include_prompt else _stock().Transformer
    try:
        with quiet_loading():
            # The modality is named so that a chat template in the tokenizer is not put around each text.
            module = made(
                str(directory),
                modality_config=_TEXT_ONLY,
                module_output_name="token_embeddings",
                max_seq_length=max_length,
                model_kwargs={"local_files_only": True, "dtype": "auto"},
            )
    except Exception as error:  # whatever a foreign model raises, the user needs one sentence
        raise ModelError(f"transformers cannot load {directory}: {first_line(error)}.", "Check the model.") from error
    module.processor = plain_tokenizer(module.tokenizer, end_token=settings.end_token, padding=settings.padding)
    return module


def plain_tokenizer(tokenizer: Any, *, end_token: bool, padding: str) -> Any:
    """The same tokenizer as a plain fast one, which is saved and read as it is, with an end token behind each text.

    Raises:
        ModelError: it is not a fast one, or has no end token.
    """
    from transformers import PreTrainedTokenizerFast

    if not getattr(tokenizer, "is_fast", False):
        raise ModelError("The model has no fast tokenizer (tokenizer.json).", "Save it as one with transformers.")
    if tokenizer.eos_token is None:
        raise ModelError("The tokenizer names no end-of-text token (eos_token).", "Set it in tokenizer_config.json.")
    backend = tokenizer.backend_tokenizer
    if end_token:
        _add_end(backend, tokenizer)
    names = ("bos_token", "eos_token", "unk_token", "pad_token", "cls_token", "sep_token", "mask_token")
    special = {name: getattr(tokenizer, name) for name in names if getattr(tokenizer, name, None) is not None}
    special.setdefault("pad_token", tokenizer.eos_token)  # NV-Embed pads with it
    return PreTrainedTokenizerFast(
        tokenizer_object=backend, padding_side=padding, model_max_length=tokenizer.model_max_length, **special
    )


def _add_end(backend: Any, tokenizer: Any) -> None:
    """Make the tokenizer's last step put the end token behind a text, and keep what it puts before."""
    from tokenizers import processors

    here = backend.encode("a")
    if here.ids[-1:] == [tokenizer.eos_token_id]:
        return
    before = []
    for token, added in zip(here.tokens, here.special_tokens_mask, strict=True):
        if not added:
            break
        before.append(token)
    start, end = " ".join(before), tokenizer.eos_token
    known = [(token, backend.token_to_id(token)) for token in dict.fromkeys([*before, end])]
    template = processors.TemplateProcessing(
        single=f"{start} $A {end}".strip(), pair=f"{start} $A {end} $B:1 {end}:1".strip(), special_tokens=known
    )
    kept = [processors.ByteLevel(trim_offsets=True)] if "ByteLevel" in repr(backend.post_processor) else []
    backend.post_processor = processors.Sequence([*kept, template]) if kept else template
    if backend.encode("a").ids[-1] != tokenizer.eos_token_id:
        raise ModelError(f"The tokenizer does not add its end token {end!r}.", "Report it: this is a fault of vecloom.")


def _pipeline(module: Any, settings: DecoderSettings, device: str, prompts: dict[str, str] | None) -> Any:
    from sentence_transformers import SentenceTransformer

    from vecloom.encoders import prompted
    from vecloom.encoders.latent_attention import LatentAttentionPooling

    width = module.get_embedding_dimension()
    if settings.pooling == "latent":
        pooling = LatentAttentionPooling(
            width,
            settings.latents,
            settings.heads,
            settings.dim_head,
            settings.ff_mult,
            normalize=settings.normalize,
            include_prompt=settings.include_prompt,
        )
        return SentenceTransformer(modules=[module, pooling], device=device, prompts=prompts)
    kind = _stock().Pooling if settings.include_prompt else prompted.Pooling
    stack = [module, kind(width, pooling_mode=settings.pooling, include_prompt=settings.include_prompt)]
    if settings.normalize:
        stack.append(_stock().Normalize())
    return SentenceTransformer(modules=stack, device=device, prompts=prompts)


def _stock() -> Any:
    from sentence_transformers.sentence_transformer import modules

    return modules
