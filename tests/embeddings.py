"""What tests of embeddings share: the model, where there is one."""

import pytest

from graph.embedding import fault

needs_model = pytest.mark.skipif(fault() is not None, reason=f"the extra embeddings {fault()}")
