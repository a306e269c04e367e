"""What worker processes import once, before they fork off."""

import sanitize.filtering
import sanitize.learners.torch_learner
from sanitize.learners.compiled import usable

if usable():
    import sanitize.learners.compiled.engine  # noqa: F401
