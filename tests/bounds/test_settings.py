"""Settings of many kinds: what they say of themselves, the certified matrix, and what statements do with them."""

from __future__ import annotations

import copy
import pickle
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
import sympy

from bounds import Problem, gram
from bounds import quantities as q
from bounds.activations import SOFTPLUS, TANH, polynomial
from bounds.arithmetic import Enclosure, NoNumber, compare
from bounds.settings import SYSTEM, ConvResNet, Family, FullyConnected, ResNet, Setting, TwoLayer
from bounds.statements import Condition, Edition, Event, Mark, Statement, hypothesis

PROBLEM = Problem(np.array([[1.0, 0.0], [0.6, 0.8]]), np.array([1.0, -1.0]), delta=0.25)
SETTINGS = [TwoLayer(), TwoLayer("both"), FullyConnected(3), ResNet(4), ConvResNet(2), SYSTEM, Family("a", "b", "c")]


def statement(setting: Setting, *assumes: Condition, **rest: object) -> Statement:
    edition = Edition("explicit", Mark.REDERIVED, assumes=assumes, reason="made up")
    made_up = Statement("Theorem", "made up", setting, "gradient descent", (edition,))
    return replace(made_up, **rest)  # type: ignore[arg-type]


@pytest.mark.parametrize("setting", SETTINGS, ids=str)
def test_settings_say_what_they_are(setting: Setting) -> None:
    assert str(setting) and setting.trained and setting.loss in str(setting)
    assert hash(setting) == hash(replace(setting))  # type: ignore[type-var]
    assert len({str(s) for s in SETTINGS}) == len(SETTINGS)


@pytest.mark.parametrize(
    ("setting", "expected"),
    # softplus at cosine 0.6, from 160-node Gauss-Hermite quadrature; c_res = 1/2
    [
        (FullyConnected(1), 0.138859858051),
        (FullyConnected(2), 0.044578946864),
        (FullyConnected(3), 0.014230058216),
        (ResNet(2), 0.002566760776),
        (ResNet(3), 0.001204513127),
        (ResNet(4), 0.000694328097),
    ],
    ids=str,
)
def test_lambda_0_is_that_of_the_statement_s_own_setting(setting: Setting, expected: float) -> None:
    made_up = statement(setting, Condition("width", sympy.Ge(q.m, 1 / q.lambda_0)))
    assert 1 / made_up.width(PROBLEM).midpoint == pytest.approx(expected, abs=1e-11)
    assert compare(PROBLEM.least_eigenvalue, ">", 0.28).holds  # the two-layer one is another


def test_settings_go_to_other_processes() -> None:
    for setting in (*SETTINGS, *(replace(found, activation=TANH) for found in SETTINGS[:5])):
        assert pickle.loads(pickle.dumps(setting)) == copy.deepcopy(setting) == setting
    own = replace(TwoLayer(), activation=polynomial([0, 1, 1]))  # holds functions that no name leads to
    assert copy.deepcopy(own) == own


def test_images_lie_channel_by_channel() -> None:
    """One channel of two pixels and patches of three: K = .0796, .0678 at depth 2."""
    matrix = PROBLEM.gram(ConvResNet(2))
    assert matrix.midpoint[0] == pytest.approx([0.07960476925, 0.06779723680], abs=1e-10)
    images = np.arange(1.0, 13.0).reshape(1, 12) * np.array([[1.0], [-0.5]]) ** np.arange(12)
    same = gram.conv_resnet(
        images.reshape(2, 3, 4), depth=2, patch=3, activation=SOFTPLUS, residual_scale=Fraction(1, 2), normalised=True
    )
    assert (ConvResNet(2, channels=3).gram(images).midpoint == same.midpoint).all()
    with pytest.raises(ValueError, match="no 5 channels"):
        ConvResNet(2, channels=5).gram(images)
    with pytest.raises(NoNumber, match="too many"):
        ConvResNet(2).gram(np.ones((30, 100)))


def test_inputs_that_the_networks_cannot_see_give_no_number() -> None:
    blank = Problem(np.array([[1.0, 0.0, 0.0, 0.0], [0.6, 0.8, 0.0, 0.0]]), np.ones(2))
    with pytest.raises(NoNumber, match="the patch around pixel 2 of input 0 is zero"):
        blank.least_eigenvalue_of(ConvResNet(2))


def test_numbers_come_with_the_setting() -> None:
    made_up = statement(
        FullyConnected(3), Condition("width", sympy.Ge(q.m, q.depth * q.smoothness)), for_all=("depth",)
    )
    assert made_up.width(PROBLEM).contains(Fraction(3, 4))
    assert made_up.width(PROBLEM, setting=FullyConnected(5)).contains(Fraction(5, 4))
    for other in (FullyConnected(3, TANH), ResNet(3), TwoLayer()):
        with pytest.raises(ValueError, match="and not of"):
            made_up.width(PROBLEM, setting=other)
    with pytest.raises(ValueError, match="and not of"):
        statement(TwoLayer()).check(PROBLEM, setting=TwoLayer("both"))


def test_a_system_has_no_matrix_until_a_number_is_given() -> None:
    made_up = statement(SYSTEM, Condition("width", sympy.Ge(q.m, 2 / q.lambda_0)))
    assert PROBLEM.least_eigenvalue_of(SYSTEM) is None
    with pytest.raises(ValueError, match="no infinite-width matrix"):
        PROBLEM.gram(SYSTEM)
    with pytest.raises(NoNumber, match="least eigenvalue of the infinite-width Gram matrix"):
        made_up.width(PROBLEM)
    assert "not given" in str(made_up.check(PROBLEM, width=9))
    assert made_up.width(PROBLEM, given={"lambda_0": 0.5}).contains(4)
    assert made_up.check(PROBLEM, width=4, given={"lambda_0": 0.5}).verdict.holds


def test_given_numbers_are_checked() -> None:
    sigma = q.quantity("sigma_made_up", "made up: least singular value")
    made_up = statement(SYSTEM, Condition("width", sympy.Ge(q.m, q.n / sigma)))
    assert made_up.width(PROBLEM, given={"sigma_made_up": 0.5}).contains(4)
    for wrong in (0.0, -1.0, Enclosure.between(0.0, 1.0)):
        with pytest.raises(ValueError, match="least singular value"):
            made_up.width(PROBLEM, given={"sigma_made_up": wrong})
    with pytest.raises(ValueError, match="no quantity sigma_0"):
        made_up.width(PROBLEM, given={"sigma_0": 1})
    with pytest.raises(ValueError, match="cannot be given"):
        made_up.width(PROBLEM, given={"sigma_made_up": 1, "n": 3})
    with pytest.raises(ValueError, match="no quantity m"):
        made_up.check(PROBLEM, given={"m": 3})


def test_a_measured_quantity_spends_no_share_of_delta() -> None:
    share, other = q.quantity("delta_a", "made up: a share"), q.quantity("delta_b", "made up: another")
    norm = q.quantity("w_made_up", "made up: a norm")
    edition = Edition(
        "explicit",
        Mark.REDERIVED,
        assumes=(Condition("width", sympy.Ge(q.m, norm + 1 / other)),),
        events=(Event(share, "the norm is at most 1/share", norm, 1 / share), Event(other, "another event")),
        reason="made up",
    )
    made_up = Statement("Theorem", "made up", SYSTEM, "gradient descent", (edition,))
    assert made_up.width(PROBLEM).contains(16)  # delta = 1/4 in two halves: 8 + 8
    assert made_up.width(PROBLEM, given={"w_made_up": 2}).contains(6)  # 2 + 4
    assert "made up: a norm" in made_up.check(PROBLEM, width=6, given={"w_made_up": 2}).note
    assert "with probability" in made_up.check(PROBLEM, width=6, initial_residual=1).note
    sure = Edition("explicit", Mark.REDERIVED, assumes=(Condition("width", sympy.Ge(q.m, q.e_0)),), reason="made up")
    certain = Statement("Lemma", "made up", SYSTEM, "gradient descent", (sure,))
    assert certain.check(PROBLEM, width=6, initial_residual=1).note == ""  # nothing random is left to speak of
    with pytest.raises(ValueError, match="no quantity delta_b"):
        made_up.width(PROBLEM, given={"delta_b": 0.9})


def test_what_a_paper_leaves_open_is_refused_and_never_holds() -> None:
    open_ended = q.unspecified("poly", q.n, q.depth, 1 / q.delta)
    made_up = statement(SYSTEM, Condition("width", sympy.Ge(q.m, open_ended)))
    with pytest.raises(NoNumber, match=r"does not specify poly\(n, H, 1/delta\)"):
        made_up.width(PROBLEM)
    assert made_up.check(PROBLEM, width=10**9).verdict.undecided
    assert made_up.editions[0].hidden_constants == (open_ended,)
    assert "poly" in q.LATEX[open_ended]


def test_a_hypothesis_in_words_stays_undecided() -> None:
    made_up = statement(SYSTEM, hypothesis("noiseless labels", "y_i = f(x_i) for all i"))
    answer = made_up.check(PROBLEM)
    assert answer.verdict.undecided and "y_i = f(x_i)" in str(answer)


def test_quantities_of_a_paper_are_certified_from_data() -> None:
    most = q.quantity("y_max_made_up", "made up", value=lambda p: Enclosure.of(float(abs(p.y).max())))
    assert statement(SYSTEM, Condition("width", sympy.Ge(q.m, 8 * most))).width(PROBLEM).contains(8)


def test_abbreviations_are_filled_in_even_where_they_depend_on_the_width() -> None:
    total, inner = q.quantity("T_made_up", "made up: total"), q.quantity("U_made_up", "made up: part")
    edition = Edition(
        "explicit",
        Mark.REDERIVED,
        assumes=(Condition("width", sympy.Ge(q.m, total)),),
        where=((total, 4 * inner + q.n), (inner, sympy.log(q.m * q.n))),
        reason="made up",
    )
    made_up = Statement("Theorem", "made up", SYSTEM, "gradient descent", (edition,))
    least = made_up.width(PROBLEM)  # m = 4 log(2 m) + 2
    assert 4 * np.log(2 * least.lower) + 2 == pytest.approx(least.lower, rel=1e-9)
    assert made_up.check(PROBLEM, width=17).verdict.holds and made_up.check(PROBLEM, width=15).verdict.fails
    with pytest.raises(ValueError, match="no quantity T_made_up"):
        made_up.width(PROBLEM, given={"T_made_up": 1})
