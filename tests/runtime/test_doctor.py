from vecloom.runtime import cpu, doctor


def test_the_examination_names_processor_threads_and_packages():
    found = doctor.examine()
    assert found.threads >= 1
    assert {package.name for package in found.packages} >= {"openvino", "torch", "pylance"}
    assert next(package for package in found.packages if package.name == "openvino").version


def test_a_missing_package_turns_into_advice(monkeypatch):
    real = doctor.importlib.util.find_spec
    monkeypatch.setattr(doctor.importlib.util, "find_spec", lambda name: None if name == "mammoth" else real(name))
    found = doctor.examine()
    assert any("vecloom[files]" in sentence for sentence in found.advice)


def test_threads_can_be_set_from_outside(monkeypatch):
    monkeypatch.setenv("VECLOOM_THREADS", "3")
    assert cpu.threads() == 3


def test_features_are_read_from_the_flags(monkeypatch):
    monkeypatch.setattr(cpu, "_cpuinfo", lambda: {"flags": "fpu avx2 avx512f amx_bf16", "model name": "Some CPU"})
    assert cpu.features() == ["AVX2", "AVX-512", "AMX-BF16"]
    assert cpu.has_bf16()
    monkeypatch.setattr(cpu, "_cpuinfo", lambda: {"flags": "fpu avx2"})
    assert not cpu.has_bf16()
