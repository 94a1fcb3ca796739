"""A plan and its model -> an artifact: emitted graphs, the manifest, and the tensors that training begins with."""
