import pytest
import torch
from sentence_transformers import SentenceTransformer
from tests.encoders import decoders
from tests.train import toys

from vecloom import train
from vecloom.encoders.decoder import DecoderSettings, open_decoder
from vecloom.train.flops import Arithmetic, arithmetic_of, peak
from vecloom.train.lora import add_lora
from vecloom.train.recipe_network import LoraChoice

# The tiny LLaMA: width 32, 2 layers, 4 heads of 8 (2 of keys and values), feed-forward 64. A layer's maps: q and o
# 32 x 32, k and v 32 x 16, gate, up and down 32 x 64: 2 x 1,024 + 2 x 512 + 3 x 2,048 = 9,216; two layers 18,432.
WEIGHTS = 18_432


@pytest.fixture(scope="module")
def bare(tmp_path_factory):
    return decoders.make(tmp_path_factory.mktemp("flops"), "llama")


def test_the_weights_and_the_attention_of_a_decoder(bare):
    plain = DecoderSettings(pooling="mean")
    both = arithmetic_of(open_decoder(bare, plain))
    assert both == Arithmetic(WEIGHTS, WEIGHTS, 4 * 2 * 32)
    left = arithmetic_of(open_decoder(bare, DecoderSettings(pooling="mean", attention="causal")))
    assert left == Arithmetic(WEIGHTS, WEIGHTS, 2 * 2 * 32)


def test_six_operations_a_weight_and_token_and_twelve_for_attention():
    # One text of 10 tokens: 6 N 10 + 12 l w 10^2, with 4 l w = 256.
    assert Arithmetic(1000, 1000, 256).operations(10, 100) == 6 * 1000 * 10 + 3 * 256 * 100
    assert Arithmetic(1000, 0, 0).operations(10, 100) == 4 * 1000 * 10


def test_torchs_own_count_agrees(bare):
    from torch.utils.flop_counter import FlopCounterMode

    model = open_decoder(bare, DecoderSettings(pooling="mean"))
    ids = torch.randint(10, 400, (3, 16), generator=torch.Generator().manual_seed(0))
    # Attention by plain products: the kernels' formulas in torch count what they recompute, too.
    network = model[0].auto_model
    network.set_attn_implementation("eager")
    with FlopCounterMode(display=False) as counter:
        network(input_ids=ids, attention_mask=torch.ones_like(ids))[0].sum().backward()
    expected = arithmetic_of(model).operations(ids.numel(), 3 * 16 * 16)
    assert counter.get_total_flops() == pytest.approx(expected, rel=0.01)


def test_frozen_weights_save_their_gradients(bare):
    model = open_decoder(bare, DecoderSettings(pooling="mean"))
    add_lora(model, LoraChoice(rank=2))
    found = arithmetic_of(model)
    # Matrices of rank 2 beside each map: 2 (in + out). A layer: 2 (64 + 64 + 48 + 48 + 3 x 96) = 1,024.
    assert (found.weights, found.trained) == (WEIGHTS + 2 * 1024, 2 * 1024)


def test_the_data_sheets_rate_is_found_by_name_and_precision():
    assert peak("1 x NVIDIA H100 80GB HBM3", "bf16") == 989e12
    assert peak("1 x NVIDIA H100 PCIe", "bf16") == 756e12
    assert peak("1 x NVIDIA H100 80GB HBM3", "fp32") is None
    assert peak("a processor, 4 threads", "bf16") is None


def test_a_run_tells_its_tokens_and_operations(tmp_path):
    toys.model(tmp_path)
    toys.pairs(tmp_path / "pairs.jsonl", count=16)
    summary = train.run(toys.recipe(tmp_path, steps=2, duplicates="allow"))
    model = SentenceTransformer(str(tmp_path / "model"), device="cpu")
    texts = [text for row in (tmp_path / "pairs.jsonl").read_text().splitlines() for text in _texts(row)]
    lengths = [len(ids) for ids in model.tokenizer(texts)["input_ids"]]
    assert summary.tokens_per_second * summary.seconds == pytest.approx(sum(lengths), rel=1e-6)
    expected = arithmetic_of(model).operations(sum(lengths), sum(length**2 for length in lengths))
    assert summary.operations_per_second * summary.seconds == pytest.approx(expected, rel=1e-6)
    assert summary.utilisation is None


def _texts(row):
    import json

    return json.loads(row).values()
