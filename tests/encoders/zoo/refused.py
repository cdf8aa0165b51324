"""Folders that hold no dense encoder, and words of the sentence that says what they are for."""

import json

import transformers
from sentence_transformers import CrossEncoder, SparseEncoder
from sentence_transformers.sparse_encoder import modules as sparse
from tests.encoders import tiny
from tests.encoders.zoo.parts import WIDTH, bare, random, transformer


def splade(folder):
    network = transformers.BertForMaskedLM(tiny.config("bert"))
    made = sparse.MLMTransformer(str(bare(folder, network=network)))
    SparseEncoder(modules=[made, sparse.SpladePooling("max")], device="cpu").save(str(folder / "model"))
    return folder / "model"


def sparse_autoencoder(folder):
    from sentence_transformers.sentence_transformer import modules

    parts = [transformer(folder), modules.Pooling(WIDTH), sparse.SparseAutoEncoder(WIDTH, hidden_dim=64, k=8)]
    SparseEncoder(modules=parts, device="cpu").save(str(folder / "model"))
    return folder / "model"


def cross_encoder(folder):
    config = tiny.config("bert")
    config.num_labels = 1
    path = bare(folder, network=transformers.BertForSequenceClassification(config))
    CrossEncoder(str(path), device="cpu").save_pretrained(str(folder / "model"))
    return folder / "model"


def bare_classifier(folder):
    config = tiny.config("bert")
    return bare(folder, network=transformers.BertForSequenceClassification(config))


def multi_vector(folder):
    from sentence_transformers import MultiVectorEncoder

    random(transformers.AutoModel.from_config(tiny.config("bert")))
    made = MultiVectorEncoder(str(bare(folder)), device="cpu")
    made.save_pretrained(str(folder / "model"))
    return folder / "model"


def pylate(folder):
    """ColBERT as PyLate saves it: its own Dense over tokens, and its own class in the settings."""
    from tests.encoders.zoo.storage import plain

    model = plain(folder)
    listed = json.loads((model / "modules.json").read_text())
    listed[1]["type"] = "pylate.models.Dense.Dense"
    (model / "modules.json").write_text(json.dumps(listed[:2]))
    settings = json.loads((model / "config_sentence_transformers.json").read_text())
    settings |= {
        "model_type": "ColBERT",
        "query_prefix": "[Q] ",
        "document_prefix": "[D] ",
        "similarity_fn_name": "MaxSim",
    }
    (model / "config_sentence_transformers.json").write_text(json.dumps(settings))
    return model


REFUSED = {
    "splade": (splade, "sparse"),
    "sparse autoencoder (csr)": (sparse_autoencoder, "sparse"),
    "cross-encoder": (cross_encoder, "cross-encoder"),
    "a bare classifier": (bare_classifier, "cross-encoder"),
    "multi-vector": (multi_vector, "a vector for each token"),
    "pylate colbert": (pylate, "a vector for each token"),
}
