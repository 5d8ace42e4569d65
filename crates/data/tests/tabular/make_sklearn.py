"""Writes sklearn.json: what pandas and scikit-learn make of examples/data/penguins.csv.

pip install pandas==3.1.1 scikit-learn==1.9.1; python make_sklearn.py
"""

import json
from pathlib import Path

import pandas as pd
from sklearn.impute import SimpleImputer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import LabelEncoder, MinMaxScaler, OneHotEncoder, OrdinalEncoder, StandardScaler

HERE = Path(__file__).parent
NUMBERS = ["bill_length_mm", "bill_depth_mm", "flipper_length_mm", "body_mass_g"]
CATEGORIES = ["island", "sex"]
# 3 and 271 lack all measurements; 8 and 246 lack the sex.
ROWS = [0, 1, 3, 8, 100, 199, 246, 271, 300, 343]

penguins = pd.read_csv(HERE / "../../../../examples/data/penguins.csv")
train = penguins[[k % 3 != 0 for k in range(len(penguins))]]
shown = penguins.iloc[ROWS]

standard = StandardScaler().fit(train[NUMBERS])
min_max = MinMaxScaler().fit(train[NUMBERS])


def after(scaler, strategy):
    pipeline = make_pipeline(scaler, SimpleImputer(strategy=strategy)).fit(train[NUMBERS])
    return pipeline.transform(shown[NUMBERS]).tolist()


one_hot = OneHotEncoder(handle_unknown="ignore", sparse_output=False)
one_hot.fit(train[CATEGORIES].dropna())
ordinal = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1, encoded_missing_value=-1)
ordinal.fit(train[CATEGORIES].dropna())

json.dump(
    {
        "rows": ROWS,
        "mean": standard.mean_.tolist(),
        "std": standard.scale_.tolist(),
        "min": min_max.data_min_.tolist(),
        "range": min_max.data_range_.tolist(),
        "median": train[NUMBERS].median().tolist(),
        "standard_mean": after(StandardScaler(), "mean"),
        "standard_median": after(StandardScaler(), "median"),
        "min_max_mean": after(MinMaxScaler(), "mean"),
        "one_hot": one_hot.transform(shown[CATEGORIES]).tolist(),
        "ordinal": ordinal.transform(shown[CATEGORIES]).tolist(),
        "classes": LabelEncoder().fit(train["species"]).transform(shown["species"]).tolist(),
        "dtypes": {name: str(dtype) for name, dtype in penguins.dtypes.items()},
        "counts": {name: int(count) for name, count in penguins.count().items()},
        "describe": {name: [penguins[name].min(), penguins[name].mean(), penguins[name].max()] for name in NUMBERS},
        "species": {name: int(count) for name, count in penguins["species"].value_counts().items()},
    },
    open(HERE / "sklearn.json", "w"),
    default=float,
    indent=1,
)
