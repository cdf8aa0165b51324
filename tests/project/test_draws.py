"""A run of the suite depends neither on what is drawn nor on how fast the machine is."""

from hypothesis import HealthCheck, settings
from tests.conftest import SEED


def test_properties_draw_the_same_examples_unless_a_seed_is_given():
    assert settings.default.derandomize == (SEED is None)


def test_no_property_measures_time():
    assert settings.default.deadline is None
    assert HealthCheck.too_slow in settings.default.suppress_health_check
