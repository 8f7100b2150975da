"""Models in others' formats: CycloneDX ML-BOM, MLflow's layout, LightGBM text, ONNX.

What leaves is data and says by digest what it is; what comes in is a candidate folder like any
other, which has to be registered, signed and approved here.
"""

from .cyclonedx import ml_bom
from .folders import import_trees, with_documents
from .mlflow import export_mlflow, import_mlflow
from .onnx import export_onnx, import_onnx

__all__ = [
    "export_mlflow",
    "export_onnx",
    "import_mlflow",
    "import_onnx",
    "import_trees",
    "ml_bom",
    "with_documents",
]
