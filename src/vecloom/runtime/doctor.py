"""What this machine offers and what vecloom makes of it: the facts behind ``vecloom doctor``."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import platform
from dataclasses import dataclass

from vecloom.runtime import cpu

_PACKAGES = {  # import name -> (distribution, extra that brings it, what it is for)
    "openvino": ("openvino", "", "transformers on the CPU"),
    "torch": ("torch", "torch", "any sentence-transformers model, CUDA"),
    "sentence_transformers": ("sentence-transformers", "torch", "models with custom modules"),
    "transformers": ("transformers", "torch", "converting architectures other than BERT's"),
    "onnxruntime": ("onnxruntime", "onnx", "models that ship an ONNX file"),
    "lance": ("pylance", "", "the index's rows and words"),
    "usearch": ("usearch", "", "the index's graph, from 50,000 rows on"),
    "pypdfium2": ("pypdfium2", "files", "pdf"),
    "mammoth": ("mammoth", "files", "docx"),
    "python_calamine": ("python-calamine", "files", "xlsx and ods"),
    "striprtf": ("striprtf", "files", "rtf"),
}


@dataclass(frozen=True)
class Package:
    """An optional or required library: what is installed, and what it would give.

    Attributes:
        name: as pip knows it.
        version: installed version, or "" where it is missing.
        purpose: what vecloom uses it for.
        extra: the vecloom extra that installs it, "" for the base install.
    """

    name: str
    version: str
    purpose: str
    extra: str


@dataclass(frozen=True)
class Examination:
    """This machine, as the runtime sees it.

    Attributes:
        processor: the maker's name.
        features: instruction sets that matter here.
        threads: CPUs that this process may use.
        nvidia: whether an NVIDIA device is visible.
        python: the interpreter's version.
        system: operating system and architecture.
        packages: the libraries.
        advice: sentences that say what would make it faster or able to do more.
    """

    processor: str
    features: tuple[str, ...]
    threads: int
    nvidia: bool
    python: str
    system: str
    packages: tuple[Package, ...]
    advice: tuple[str, ...]


def examine() -> Examination:
    """Look at the machine and the installation, without importing anything heavy."""
    packages = tuple(
        Package(distribution, _version(module, distribution), purpose, extra)
        for module, (distribution, extra, purpose) in _PACKAGES.items()
    )
    return Examination(
        processor=cpu.name(),
        features=tuple(cpu.features()),
        threads=cpu.threads(),
        nvidia=cpu.has_nvidia(),
        python=platform.python_version(),
        system=f"{platform.system()} {platform.machine()}",
        packages=packages,
        advice=tuple(_advice({package.name: package for package in packages})),
    )


def _advice(packages: dict[str, Package]) -> list[str]:
    advice = []
    if not cpu.has_bf16():
        advice.append("This CPU has no bfloat16 units, so models run in fp32: about half the speed of a CPU with AMX.")
    if cpu.has_nvidia() and not packages["torch"].version:
        advice.append("There is an NVIDIA GPU but no torch: pip install 'vecloom[torch]' to use it.")
    if not packages["torch"].version:
        advice.append(
            "Without torch only BERT-family, static and lexical models run: pip install 'vecloom[torch]' for the rest."
        )
    if not all(packages[name].version for name in ("pypdfium2", "mammoth", "python-calamine", "striprtf")):
        advice.append(
            "Some of pdf, docx, xlsx, ods and rtf files are skipped: pip install 'vecloom[files]' to read them."
        )
    return advice


def _version(module: str, distribution: str) -> str:
    if importlib.util.find_spec(module) is None:
        return ""
    try:
        return importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return "unknown"
