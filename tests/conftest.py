"""What all tests share: where random draws come from.

Properties draw the same examples in every run, so that a clone that has changed nothing passes today and tomorrow. With
``VECLOOM_TEST_SEED=N`` they draw others; ``make test-slow`` does this with a new number each time and prints it. An example
that it finds becomes a test of its own.
"""

import os

import pytest
from hypothesis import HealthCheck, settings

SEED = os.environ.get("VECLOOM_TEST_SEED")

# On a machine that is busy with other things an example takes long, which says nothing of the code.
patient = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("same", patient, derandomize=True)
settings.register_profile("random", patient, derandomize=False)
settings.load_profile("random" if SEED else "same")


@pytest.hookimpl(tryfirst=True)  # hypothesis reads the option in its own
def pytest_configure(config):
    if SEED and config.option.hypothesis_seed is None:
        config.option.hypothesis_seed = SEED


def pytest_terminal_summary(terminalreporter):
    if SEED:
        terminalreporter.write_line(f"Random examples; to draw them again: VECLOOM_TEST_SEED={SEED}")
