"""Exponents of a table of runs: kinds are kept apart, and a power law that was put in comes out."""

import numpy as np
import polars as pl
import pytest

from empirical.exponents import exponents


def runs(seed=0):
    rng = np.random.default_rng(seed)
    rows = [
        {
            "key": f"{trained}{depth}{width}{k}",
            "kind": "Run",
            "trained": trained,
            "depth": depth,
            "width": width,
            "inputs": "same",
            "step_size": 3.0 / width,
            "seed": k,
            "verdict": "finished",
            "last.travel": (1 + depth) * width**power * np.exp(0.01 * rng.standard_normal()),
            "last.loss": 0.0,
        }
        for trained, power in (("first", -0.5), ("both", -0.25))
        for depth in (2, 4)
        for width in (16, 32, 64, 128)
        for k in range(3)
    ]
    return pl.DataFrame(rows)


def test_each_kind_has_its_own_exponent():
    found = exponents(runs(), "last.travel", "width")
    assert [group.kind for group in found] == [{"trained": t, "depth": d} for t in ("first", "both") for d in (2, 4)]
    for group in found:
        power = -0.5 if group.kind["trained"] == "first" else -0.25
        assert group.exponent.value == pytest.approx(power, abs=0.02)
        assert (group.runs, group.exponent.sizes) == (12, 4)


def test_what_changes_with_the_size_or_between_seeds_does_not_make_a_kind():
    """The step size has one width for each value, so that the runs of different step sizes belong together."""
    table = runs().filter(trained="first", depth=2)
    (group,) = exponents(table, "last.travel", "width")
    assert group.kind == {} and group.runs == 12
    four = table.with_columns(pl.lit("other").alias("inputs"), (pl.col("last.travel") * 7).alias("last.travel"))
    both = exponents(pl.concat([table, four]), "last.travel", "width")
    assert [group.kind for group in both] == [{"inputs": "same"}, {"inputs": "other"}]


def test_a_lone_run_of_another_kind_is_not_averaged_with_the_others():
    table = runs().filter(trained="first", depth=2)
    alone = table.head(1).with_columns(pl.lit("both").alias("trained"), pl.lit(1e6).alias("last.travel"))
    first, other = exponents(pl.concat([table, alone]), "last.travel", "width")
    assert (first.kind, other.kind) == ({"trained": "first"}, {"trained": "both"})
    assert first.exponent.value == pytest.approx(-0.5, abs=0.02)
    assert other.exponent is None and "not 1" in other.reason


def test_kinds_can_be_named_and_runs_that_diverged_are_left_out():
    table = runs()
    bad = table.head(1).with_columns(pl.lit("diverged").alias("verdict"), pl.lit(1e9).alias("last.travel"))
    found = exponents(pl.concat([table, bad]), "last.travel", "width", by=["trained"])
    assert [(group.kind, group.runs) for group in found] == [({"trained": "first"}, 24), ({"trained": "both"}, 24)]


def test_what_has_no_exponent_says_why():
    (*_, group) = exponents(runs(), "last.loss", "width")
    assert group.exponent is None and "positive numbers" in group.reason
    (*_, group) = exponents(runs(), "last.travel", "depth")
    assert group.exponent is None and "at least 3 different sizes, not 2" in group.reason


@pytest.mark.parametrize(
    ("of", "size", "by", "message"),
    [
        ("last.trvel", "width", None, "no column 'last.trvel' of numbers: choose from"),
        ("last.travel", "trained", None, "no column 'trained' of numbers"),
        ("last.travel", "width", ["wdth"], "no column 'wdth'"),
    ],
)
def test_columns_that_are_not_there_are_refused(of, size, by, message):
    with pytest.raises(ValueError, match=message):
        exponents(runs(), of, size, by=by)
    with pytest.raises(ValueError, match="no finished run"):
        exponents(runs().with_columns(pl.lit("diverged").alias("verdict")), "last.travel", "width")
