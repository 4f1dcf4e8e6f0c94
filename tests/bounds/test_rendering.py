import pytest
import sympy

from bounds import quantities as q
from bounds.rendering import latex

H, x = sympy.symbols("H x")


@pytest.mark.parametrize(
    ("expression", "written"),
    [
        (2 * sympy.log(2) - 1, r"2 \log{\left(2 \right)} - 1"),
        ((x ** (H - 1) - 1) / (x - 1), r"\frac{x^{H - 1} - 1}{x - 1}"),
        (1 - q.eta * q.lambda_0 / 2, r"1 - \frac{\lambda_{0} \eta}{2}"),
        (-x - 1, "-1 - x"),
        (-x, "- x"),
    ],
)
def test_what_is_subtracted_stands_after_what_it_is_subtracted_from(expression, written):
    assert latex(expression) == written
