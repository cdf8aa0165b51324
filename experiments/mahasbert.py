"""MahaSBERT and HindSBERT at small size: a new encoder for Marathi and one for Hindi, then two steps, one step, or none.

    VECLOOM_DATA=... OMP_NUM_THREADS=1 python experiments/mahasbert.py [--only mr|hi]

There is no inference data in these languages here, so the first step learns from silver data made of STSb's training pairs: those
scored 4 and up are positives with the batch's other texts as negatives, and those that share a sentence with a pair scored 1 and
below are triplets. The second step is the STS benchmark's training pairs, machine-translated by L3Cube. Both are the shipped
recipes ``nli-triplets`` and ``sts-after-nli``, two epochs and one, with a learning rate for a network of this size (2e-4, not
tuned).

The bases are made here: 8,000 word pieces and three layers of width 128, masked-language modelling on the sentences of the STSb
training pairs (Hindi, Marathi) and on the training tweets of MahaSent (Marathi). One base for each language; seeds change the
order, dropout and silver draws of the steps.

Measured: Spearman x 100 of cosines on STSb test, of all pairs and of those that are not in the training set; for Marathi also the
accuracy of the five nearest of 3,000 labelled tweets (cosine) on MahaSent's 1,500 test tweets, which nobody translated.
Baselines: weighted character n-grams (2 to 4), and all-MiniLM-L6-v2, whose tokenizer deletes vowel signs.
Writes ``experiments/results/mahasbert.json`` and ``.md``; a stopped run goes on where it was.
"""

from __future__ import annotations

import argparse
import json
import random
import shutil
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from sentence_transformers import SentenceTransformer
from sklearn.neighbors import KNeighborsClassifier

from training import Kept, cell, machine, report, rows, spearman
from vecloom import train
from vecloom.encoders.lexical import LexicalEncoder, LexicalSettings
from vecloom.encoders.resolve import resolve
from vecloom.files import cache_dir, write_text
from vecloom.train.fresh import FreshSettings, new_encoder
from vecloom.train.setup import set_pooling
from vecloom.train.translated import ScoredPair, lost_signs, without_leaks

SEEDS = (0, 1, 2)
LANGUAGES = {"mr": "Marathi", "hi": "Hindi"}
EPOCHS = {"mr": 2, "hi": 4}  # of masked-language modelling: about as many sentences for either language
STEPS = {
    "silver step only": ("silver",),
    "STS only": ("sts",),
    "silver step, then STS": ("silver", "sts"),
}
BASES = ("character n-grams", "MiniLM (English)", "base, [CLS]", "base, mean")
TWEETS = 3000
Encode = Callable[[list[str]], np.ndarray]


class Language:
    """A language's data, and where its models lie.

    Args:
        code: "mr" or "hi".
        folder: for files and models.
    """

    def __init__(self, code: str, folder: Path) -> None:
        self.code = code
        self.folder = folder / code
        self.folder.mkdir(parents=True, exist_ok=True)
        self.train, self.validation, self.test = (
            rows("sts", f"stsb-{code}", f"{part}.jsonl") for part in ("train", "validation", "test")
        )
        maha = ("classification", "mahasent-gt")
        self.tweets = {part: rows(*maha, f"{part}.jsonl") for part in ("train", "test")} if code == "mr" else {}

    @property
    def sentences(self) -> list[str]:
        """What the base reads: training data only."""
        pairs = [row[side] for row in self.train for side in ("sentence1", "sentence2")]
        return pairs + [row["tweet"] for row in self.tweets.get("train", [])]

    def base(self) -> tuple[Path, dict[str, Any]]:
        """The new encoder's directory, and what came of making it."""
        target, told = self.folder / "base", self.folder / "base.json"
        if not told.is_file():
            shutil.rmtree(target, ignore_errors=True)
            made = new_encoder(
                self.sentences, target, FreshSettings(layers=3, width=128, heads=2, epochs=EPOCHS[self.code], seed=0)
            )
            write_text(told, json.dumps({**vars(made), "output": ""}))
        return target, json.loads(told.read_text())

    def files(self) -> dict[str, Path]:
        """Training pairs, validation pairs, and silver positives, as recipes read them."""
        positives = [
            {"anchor": row["sentence1"], "positive": row["sentence2"]} for row in self.train if row["score"] >= 4
        ]
        found = {}
        for name, data in (("train", self.train), ("validation", self.validation), ("positives", positives)):
            found[name] = self.folder / f"{name}.jsonl"
            write_text(found[name], "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in data))
        return found


def recipe(step: str, language: Language, model: Path, output: Path, seed: int) -> train.Recipe:
    """A step by its shipped recipe."""
    files = language.files()
    common = [
        f"model={model}",
        f"output={output}",
        f"seed={seed}",
        "learning_rate=2e-4",
        f"epochs={2 if step == 'silver' else 1}",
        "batch_size=32",
        "logging.to=[]",
        "watch.collapse=1.0",  # a network this small begins with vectors that look alike
    ]
    if step == "silver":
        silver = {"path": str(files["train"]), "triplets": "scores", "scale": [0, 5], "translated": True}
        data = json.dumps([{"path": str(files["positives"]), "translated": True}, silver])
        return train.load_recipe("nli-triplets", [*common, f"data={data}"])
    paths = [f"data.0.path={files['train']}", f"evaluation.tasks.0.path={files['validation']}"]
    half = len(language.train) // 64
    return train.load_recipe("sts-after-nli", [*common, *paths, f"evaluation.every={half}"])


def trained(name: str, language: Language, seed: int) -> dict[str, Any]:
    """Take the steps and measure."""
    model = language.base()[0]
    losses: dict[str, Any] = {}
    for number, step in enumerate(STEPS[name]):
        output = language.folder / f"{name.replace(' ', '-').replace(',', '')}-{seed}-{number}"
        for old in (output, output.with_name(f"{output.name}.run")):
            shutil.rmtree(old, ignore_errors=True)
        summary = train.run(recipe(step, language, model, output, seed))
        losses[step] = {"steps": summary.steps, "loss": summary.loss, "notes": summary.notes}
        model = output
    found = measured(encoder(model), language)
    for part in language.folder.glob(f"{name.replace(' ', '-').replace(',', '')}-{seed}-*"):
        shutil.rmtree(part)
    return {**found, "steps": losses}


def encoder(model: Path | str, pooling: str | None = None) -> Encode:
    """Unit vectors by a model directory."""
    opened = SentenceTransformer(str(resolve(str(model))), device="cpu")
    if pooling:
        set_pooling(opened, pooling)
    return lambda texts: opened.encode(texts, batch_size=128, normalize_embeddings=True, show_progress_bar=False)


def untrained(name: str, language: Language) -> dict[str, float]:
    """A baseline's scores."""
    if name == "character n-grams":
        settings = LexicalSettings(analyzer="char_wb", ngrams=(2, 4))
        words = LexicalEncoder.fit(language.sentences, settings=settings)
        return measured(lambda texts: words.encode_sparse(texts), language)
    if name == "MiniLM (English)":
        return measured(encoder("minilm"), language)
    return measured(encoder(language.base()[0], "cls" if "CLS" in name else "mean"), language)


def measured(encode: Encode, language: Language) -> dict[str, float]:
    """Scores on the tests."""
    pairs = [ScoredPair(row["sentence1"], row["sentence2"], row["score"]) for row in language.test]
    known = [ScoredPair(row["sentence1"], row["sentence2"], row["score"]) for row in language.train]
    left, right = (encode([pair[side] for pair in pairs]) for side in (0, 1))
    cosines = np.asarray(left.multiply(right).sum(1)).ravel() if hasattr(left, "multiply") else (left * right).sum(1)
    gold = np.array([pair.score for pair in pairs])
    new = {tuple(pair) for pair in without_leaks(pairs, known)}
    kept = np.array([tuple(pair) in new for pair in pairs])
    found = {"test": spearman(cosines, gold), "new": spearman(cosines[kept], gold[kept]), "pairs": int(kept.sum())}
    if language.tweets:
        found["tweets"] = 100 * nearest(encode, language.tweets)
    return found


def nearest(encode: Encode, tweets: dict[str, list[dict[str, Any]]]) -> float:
    """Accuracy of the five nearest of some training tweets."""
    known = random.Random(0).sample(tweets["train"], TWEETS)
    probe = KNeighborsClassifier(5, metric="cosine", algorithm="brute")
    probe.fit(encode([row["tweet"] for row in known]), [row["label"] for row in known])
    return float(
        probe.score(encode([row["tweet"] for row in tweets["test"]]), [row["label"] for row in tweets["test"]])
    )


def signs(language: Language) -> dict[str, int]:
    """What MiniLM's normaliser does to the language: signs that it deletes, words that become one another."""
    normalise = SentenceTransformer(str(resolve("minilm")), device="cpu").tokenizer.backend_tokenizer.normalizer
    words = {word for text in language.sentences for word in text.split()}
    after = {normalise.normalize_str(word) for word in words}
    lost = lost_signs(normalise.normalize_str, language.sentences)
    return {"words": len(words), "after": len(after), "signs": lost.total()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", choices=list(LANGUAGES), help="one language")
    parser.add_argument("--models", type=Path, default=cache_dir("experiments", "mahasbert"))
    options = parser.parse_args()
    warnings.filterwarnings("ignore")
    kept = Kept("mahasbert")
    for code in [options.only] if options.only else LANGUAGES:
        language = Language(code, options.models)
        kept.run(f"{code} base", lambda language=language: language.base()[1])
        kept.run(f"{code} signs", lambda language=language: signs(language))
        for name in BASES:
            kept.run(f"{code} {name}", lambda name=name, language=language: untrained(name, language))
        for seed in SEEDS:
            for name in STEPS:
                kept.run(
                    f"{code} {name} {seed}",
                    lambda name=name, language=language, seed=seed: trained(name, language, seed),
                )
    if all(f"{code} {name} {SEEDS[-1]}" in kept.runs for code in LANGUAGES for name in STEPS):
        write(kept)


def write(kept: Kept) -> None:
    lines = [
        "# MahaSBERT and HindSBERT at small size",
        "",
        "| | STSb-mr test | pairs not in train | MahaSent, 5 nearest | STSb-hi test | pairs not in train |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    columns = (("mr", "test"), ("mr", "new"), ("mr", "tweets"), ("hi", "test"), ("hi", "new"))
    for name in BASES:
        cells = [f"{kept.runs[f'{code} {name}'][key]:.1f}" for code, key in columns]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    for name in STEPS:
        cells = [cell([kept.runs[f"{code} {name} {seed}"][key] for seed in SEEDS]) for code, key in columns]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    lines += ["", "Difference of both steps to one:", "", "| | STSb-mr test | MahaSent | STSb-hi test |"]
    lines.append("| --- | --- | --- | --- |")
    both = list(STEPS)[-1]
    for name in list(STEPS)[:-1]:
        gains = [
            cell(
                [kept.runs[f"{code} {both} {seed}"][key] - kept.runs[f"{code} {name} {seed}"][key] for seed in SEEDS],
                2,
                True,
            )
            for code, key in (columns[0], columns[2], columns[3])
        ]
        lines.append(f"| to {name} | {' | '.join(gains)} |")
    lines += ["", *_made(kept), ""]
    lines += [
        f"Spearman x 100 and accuracy in %, mean over {len(SEEDS)} seeds and its 95 % t interval; one base per language.",
        f"Made by `python experiments/mahasbert.py` on {machine()['processor']}.",
    ]
    report("mahasbert", lines)


def _made(kept: Kept) -> list[str]:
    lines = ["| base | texts | word pieces | parameters | steps | loss | words | of them different without signs |"]
    lines.append("| --- | ---: | ---: | ---: | ---: | --- | ---: | ---: |")
    for code, language in LANGUAGES.items():
        base, told = kept.runs[f"{code} base"], kept.runs[f"{code} signs"]
        losses = f"{base['losses'][0][1]:.2f} to {base['losses'][-1][1]:.2f}"
        numbers = [f"{base[key]:,}" for key in ("texts", "vocabulary", "parameters", "steps")]
        lines.append(f"| {language} | {' | '.join(numbers)} | {losses} | {told['words']:,} | {told['after']:,} |")
    return lines


if __name__ == "__main__":
    main()
