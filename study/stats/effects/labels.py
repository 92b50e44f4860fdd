"""The label of a contrast: where its interval lies against 0 and the margin. Nothing else decides it."""

from typing import Literal, get_args

Label = Literal[
    "better by more than the margin",
    "better",
    "better but negligible",
    "equivalent",
    "worse but negligible",
    "worse",
    "worse by more than the margin",
    "inconclusive",
]
LABELS: tuple[Label, ...] = get_args(Label)


def label(low: float | None, high: float | None, margin: float, higher_is_better: bool) -> Label:
    """The label of a contrast with the interval from `low` to `high`; None where it has no such end.

    The interval is the test (Schuirmann 1987): a false claim in either direction has at most half of the interval's
    error, over all contrasts for which it is simultaneous.

    Args:
        margin: the smallest difference that matters, in the interval's unit; 0 for none.
        higher_is_better: the direction of the response.
    """
    if not higher_is_better:
        low, high = (None if end is None else -end for end in (high, low))
    if low is not None and low > 0:
        return _beyond_zero("better", low, high, margin)
    if high is not None and high < 0:
        return _beyond_zero("worse", -high, None if low is None else -low, margin)
    if low is not None and high is not None and -margin < low and high < margin:
        return "equivalent"
    return "inconclusive"


def _beyond_zero(side: Literal["better", "worse"], near: float, far: float | None, margin: float) -> Label:
    if margin > 0 and near > margin:
        return "better by more than the margin" if side == "better" else "worse by more than the margin"
    if far is not None and far < margin:
        return "better but negligible" if side == "better" else "worse but negligible"
    return side


def settled(found: Label, stop: str, margin: float) -> bool:
    """Whether a sequential study needs no more blocks for a contrast with this label.

    Args:
        stop: "settled": any label but inconclusive; "sized": also whether the difference is beyond the margin.
    """
    open_size = stop == "sized" and margin > 0 and found in ("better", "worse")
    return found != "inconclusive" and not open_size
