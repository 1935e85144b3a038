"""Price lists, right and wrong."""

from pathlib import Path

import pytest

from app.planning.prices import read_prices

WHOLE = """
unit: minutes
pool: 1000
prevalence: 0.25
levels:
  nlp: {each: 0.02, setup: 600}
  image: {readers: {resident: 0.4, radiologist: {each: 1.2, share: 0.25}}}
  box: {each: 0.5, each_positive: 4}
owned: {image: 50, outline: 20}
upgrades:
  - {from: image, to: box, each: 1.2}
"""


def written(folder: Path, text: str) -> Path:
    path = folder / "prices.yaml"
    path.write_text(text)
    return path


def test_a_price_list_is_read(tmp_path):
    prices = read_prices(written(tmp_path, WHOLE))
    # By hand: 0.75 * 0.4 + 0.25 * 1.2 = 0.6; 0.5 + 0.25 * 4 = 1.5.
    assert {each.name: each.each for each in prices.purchases} == pytest.approx(
        {"nlp": 0.02, "image": 0.6, "box": 1.5, "image to box": 1.2}
    )
    assert prices.purchases[0].setup == 600
    assert prices.purchases[1].readers == {"resident": 0.75, "radiologist": 0.25}
    assert prices.levels == ("nlp", "image", "box", "outline")
    assert prices.located == {"box", "outline"}
    assert (prices.owned, prices.pool, prices.unit) == ({"image": 50, "outline": 20}, 1000, "minutes")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("pool: 1000\n", ""), "pool: say how many"),
        (("pool: 1000", "pool: -1"), "pool: must be a number of 0 or more, not -1"),
        (("pool: 1000", "pool: 10.5"), "pool: must be a whole number of images, not 10.5"),
        (("pool: 1000", "pol: 1000"), "unknown 'pol'; known are .* Did you mean 'pool'"),
        (("prevalence: 0.25\n", ""), "levels: box: each_positive needs prevalence"),
        (("prevalence: 0.25", "prevalence: 1.5"), "prevalence: must be a number from 0 to 1, not 1.5"),
        (("each: 0.02", "each: 0"), "levels: nlp: the price of an image is 0; it must be above 0"),
        (("each: 0.02", "each: cheap"), "levels: nlp: each: must be a number of 0 or more, not 'cheap'"),
        (("each: 0.02, ", ""), "levels: nlp: needs a price, each or each_positive"),
        (("share: 0.25", "share: 1.25"), "share: must be a number from 0 to 1"),
        (("resident: 0.4", "resident: {each: 0.4, share: 0.5}"), "shares add up to 0.75, not 1"),
        (("image: {readers", "image: {each: 1, readers"), "either for the level or for its readers"),
        (("from: image", "from: imag"), "upgrades: 1: from: unknown 'imag'; .* Did you mean 'image'"),
        (("to: box", "to: image"), "upgrades: 1: from and to are both 'image'"),
        (("owned: {image: 50", "owned: {image: fifty"), "owned: image: must be a number"),
        (("each: 0.5, each_positive", "each: .nan, each_positive"), "levels: box: each: must be a number"),
    ],
)
def test_what_is_wrong_is_named_with_its_file(tmp_path, change: tuple[str, str], message: str):
    assert change[0] in WHOLE
    path = written(tmp_path, WHOLE.replace(*change))
    with pytest.raises(ValueError, match=f"{path}: .*{message}"):
        read_prices(path)


@pytest.mark.parametrize("text", ["", "- 1\n", "levels: {}\npool: 1\n", "levels: [image]\npool: 1\n"])
def test_what_is_no_price_list_is_refused(tmp_path, text: str):
    with pytest.raises(ValueError, match=r"prices\.yaml: "):
        read_prices(written(tmp_path, text))
