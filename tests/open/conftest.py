"""The open tools for 7 series, where they are installed."""

from collections.abc import Iterator

import pytest

from lepton_hw.errors import MissingTool
from lepton_hw.tools import open_tools, prjxray, yosys


@pytest.fixture(scope="module")
def tools() -> Iterator[prjxray.Prjxray]:
    """From the user's own cache, since the tests' cache is empty."""
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("XDG_CACHE_HOME", raising=False)
        home = open_tools.home()
        patch.setenv("LEPTON_OPEN_TOOLS", str(home))
        try:
            yosys.find()
            found = prjxray.find()
            found.database()
        except MissingTool as error:
            pytest.skip(str(error))
        yield found
