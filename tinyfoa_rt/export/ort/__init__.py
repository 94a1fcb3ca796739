"""What an application in C or C++ takes that links onnxruntime: models in ORT format, and the project that trains them."""

from tinyfoa_rt.export.ort.format import OrtModels, to_ort_format
from tinyfoa_rt.export.ort.project import ProjectFacts, write_project

__all__ = ["OrtModels", "ProjectFacts", "to_ort_format", "write_project"]
