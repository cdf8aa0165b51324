import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from vecloom.extend.rotary import ntk_factor
from vecloom.extend.self_extend import relative_positions, rotate, self_extend


def test_distances_of_ten_tokens():
    # w = 4, g = 2: shift = 4 - 4 // 2 = 2. From x0, x5: 5 // 2 + 2 - 0 = 4; from x9, x0: 0 - (9 // 2 + 2) = -6
    found = relative_positions(10, window=4, group=2)
    assert found[0].tolist() == [0, 1, 2, 3, 4, 4, 5, 5, 6, 6]
    assert found[4].tolist() == [-4, -3, -2, -1, 0, 1, 2, 3, 4, 4]
    assert found[9].tolist() == [-6, -6, -5, -5, -4, -4, -3, -2, -1, 0]


@pytest.mark.parametrize(("target", "group", "window"), [(1024, 3, 256), (2048, 5, 128), (4096, 9, 64)])
def test_the_papers_settings_reach_exactly_512(target, group, window):
    assert (target - 1) // group + window - window // group == 512  # table 6: L_o = 512


def test_rotation_of_a_pair_by_hand():
    # d = 4, half-split pairs (0, 2) and (1, 3); position 3 with 0.5 and 0.1: angles 1.5 and 0.3
    turned = rotate(torch.tensor([[[[1.0, 2, 3, 4]]]]), torch.tensor([[3]]), torch.tensor([0.5, 0.1]))
    # 1 cos1.5 - 3 sin1.5, 2 cos.3 - 4 sin.3, 3 cos1.5 + 1 sin1.5, 4 cos.3 + 2 sin.3
    assert turned.flatten().tolist() == pytest.approx([-2.921748, 0.728592, 1.209707, 4.412386], abs=1e-6)


def direct(query, key, value, allowed, frequencies, window, group, scale):
    """The definition, key by key: each key is turned by its distance from the query, which is not turned."""
    batch, _, length, _ = query.shape
    distances = relative_positions(length, window, group)
    scores = torch.stack(
        [
            torch.einsum("bhd,bhjd->bhj", query[:, :, i], rotate(key, distances[i].expand(batch, -1), frequencies))
            for i in range(length)
        ],
        dim=2,
    )
    return (scores * scale).masked_fill(~allowed, -torch.inf).softmax(-1) @ value


def states(length, seed=0, width=8):
    generator = torch.Generator().manual_seed(seed)
    query, key, value = torch.randn(3, 2, 2, length, width, generator=generator)
    positions = torch.arange(length).expand(2, -1)
    allowed = torch.ones(2, 1, length, length, dtype=torch.bool)
    return query, key, value, positions, allowed, 1 / 100 ** (torch.arange(0, width, 2) / width)


@settings(max_examples=25, deadline=None)
@given(st.integers(2, 60), st.integers(1, 12), st.integers(1, 5), st.booleans(), st.integers(0, 5))
def test_blocks_give_what_the_definition_gives(length, window, group, causal, padding):
    query, key, value, positions, allowed, frequencies = states(length, seed=length)
    if causal:
        allowed = allowed.tril()
    elif padding < length:
        allowed = allowed.clone()
        allowed[1, :, :, length - padding :] = False
    found = self_extend(
        query, key, value, positions=positions, allowed=allowed, frequencies=frequencies,
        window=window, group=group, scale=0.3,
    )  # fmt: skip
    torch.testing.assert_close(
        found, direct(query, key, value, allowed, frequencies, window, group, 0.3), atol=1e-5, rtol=1e-5
    )


@pytest.mark.parametrize("group", [1, 4])
def test_a_window_over_the_whole_text_is_plain_attention(group):
    query, key, value, positions, allowed, frequencies = states(30)
    found = self_extend(
        query, key, value, positions=positions, allowed=allowed, frequencies=frequencies,
        window=30, group=group, scale=0.3,
    )  # fmt: skip
    turned = rotate(query, positions, frequencies) @ rotate(key, positions, frequencies).transpose(2, 3)
    torch.testing.assert_close(found, (turned * 0.3).softmax(-1) @ value, atol=1e-6, rtol=1e-5)


@given(st.integers(0, 50))
def test_a_score_depends_on_the_distance_only(offset):
    query, key, _, positions, _, frequencies = states(20)
    here = rotate(query, positions, frequencies) @ rotate(key, positions, frequencies).transpose(2, 3)
    there = rotate(query, positions + offset, frequencies) @ rotate(key, positions + offset, frequencies).transpose(
        2, 3
    )
    torch.testing.assert_close(here, there, atol=1e-4, rtol=1e-4)


def test_groups_of_one_change_nothing():
    # g = 1: j - (i + w - w) = j - i
    assert torch.equal(relative_positions(12, window=5, group=1), relative_positions(12, window=12, group=1))


def test_lambda_goes_through_table_6():
    assert [ntk_factor(factor) for factor in (2, 4, 8)] == [3, 5, 10]
