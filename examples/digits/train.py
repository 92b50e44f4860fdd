"""Classify the 1,797 digits that ship with scikit-learn, with and without standardized pixels."""

from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler
from sklearn.svm import SVC

SCALINGS = {"raw": FunctionTransformer, "standardized": StandardScaler}
CLASSIFIERS = {"nearest neighbors": KNeighborsClassifier, "support vectors": SVC}


def run(scaling: str, classifier: str, seed: int) -> dict[str, int]:
    """Train on one half of the digits and count the right answers on the other; the seed makes the split."""
    pixels, digits = load_digits(return_X_y=True)
    train_x, test_x, train_y, test_y = train_test_split(
        pixels, digits, test_size=0.5, stratify=digits, random_state=seed
    )
    model = make_pipeline(SCALINGS[scaling](), CLASSIFIERS[classifier]())
    right = model.fit(train_x, train_y).predict(test_x) == test_y
    return {"successes": int(right.sum()), "trials": len(right)}
