"""The curves, against their formulas written out for one number at a time."""

import math

import numpy as np
import pytest

from app.planning.learning_curves import FORMS, Curves

PARAMETERS = {"exponent": 0.8, "efficiency": (0.3, 1.2), "ceiling": 1.5, "deviation": (-0.2, 0.1), "half": 0.15}
SCALE = 1_000.0


def slow(form: str, sizes: tuple[float, float], is_located: bool) -> float:
    """The module's docstring, step by step; the second level is the located one."""
    e = [r * n / SCALE for r, n in zip(PARAMETERS["efficiency"], sizes, strict=True)]
    x, d = sum(e), PARAMETERS["exponent"]
    if x == 0 or (is_located and e[1] == 0):
        return 0.0
    shares = [0.0, 1.0] if is_located else [each / x for each in e]
    a = PARAMETERS["ceiling"] + sum(w * dev for w, dev in zip(shares, PARAMETERS["deviation"], strict=True))
    top = 1 / (1 + math.exp(-a))
    quality = {
        "hill": top * x**d / (1 + x**d),
        "weibull": top * (1 - math.exp(-(x**d))),
        "lognormal": top * 0.5 * (1 + math.erf(d * math.log(x) / 1.6 / math.sqrt(2))),
        "power": 1 / (1 + math.exp(-(a - x**-d))),
    }[form]
    n = sizes[1] / SCALE
    return quality * n / (n + PARAMETERS["half"]) if is_located else quality


@pytest.mark.parametrize("is_located", [False, True])
@pytest.mark.parametrize("form", FORMS)
def test_curves_agree_with_their_formulas(form: str, is_located: bool):
    curves = Curves(2, SCALE, (False, True) if is_located else None)
    vector = [math.log(PARAMETERS["exponent"]), *map(math.log, PARAMETERS["efficiency"]), PARAMETERS["ceiling"]]
    vector += [*PARAMETERS["deviation"], *([math.log(PARAMETERS["half"])] if is_located else [])]
    assert len(vector) == len(curves.names)
    sizes = [(0.0, 500.0), (500.0, 0.0), (4_000.0, 250.0), (1e5, 1e5)]
    expected = [slow(form, each, is_located) for each in sizes]
    assert curves.quality(form, np.array([vector]), np.array(sizes))[0] == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("form", FORMS)
def test_no_images_give_no_skill_and_more_give_more(form: str):
    curves = Curves(1, SCALE)
    quality = curves.quality(form, np.array([[0.0, 0.0, 2.0, 0.0]]), np.geomspace(1e-3, 1e9, 50)[:, None])[0]
    assert curves.quality(form, np.array([[0.0, 0.0, 2.0, 0.0]]), np.zeros((1, 1)))[0, 0] < 1e-100
    assert (np.diff(quality) >= 0).all()
    assert quality[-1] == pytest.approx(1 / (1 + math.exp(-2)), rel=1e-5)  # the ceiling
