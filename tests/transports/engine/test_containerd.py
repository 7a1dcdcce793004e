"""The engine tests again, with an engine that uses the containerd image store.

That is what a fresh Engine 29 has; here it is Debian 13's. Left out are the tests that rest on what the classic store
alone does: an image's ID is its config's digest there, and a layer is kept once.
"""

from collections.abc import Iterator

import pytest

from tests.support.debian_root import DebianRoot, is_possible
from tests.support.processes import Engine
from tests.transports.engine.test_image_cache import (
    scene,
    test_forgets_a_pull_that_failed,
    test_keeps_the_newest_of_many,
    test_keeps_to_the_budget_when_copies_fail,
    test_keeps_to_the_budget_with_many_copies_at_once,
    test_leaves_what_a_container_uses,
    test_leaves_what_a_running_copy_uses,
    test_leaves_what_the_user_pulled,
    test_leaves_what_the_user_tagged,
    test_owns_the_pulls_that_a_crash_cut_short,
)
from tests.transports.engine.test_target_tags import test_leaves_no_name_of_the_target
from tests.transports.engine.test_transport import (
    test_a_source_that_asks_to_be_left_alone,
    test_a_stalled_source,
    test_pulls_again_what_somebody_pruned_before_the_push,
    test_takes_a_single_image_as_it_is,
    test_takes_the_engines_own_platform_of_an_index,
    test_two_tags_of_one_image_are_pulled_once,
    test_uses_the_layers_that_the_engine_has,
)

__all__ = [
    "scene",
    "test_a_source_that_asks_to_be_left_alone",
    "test_a_stalled_source",
    "test_forgets_a_pull_that_failed",
    "test_keeps_the_newest_of_many",
    "test_keeps_to_the_budget_when_copies_fail",
    "test_keeps_to_the_budget_with_many_copies_at_once",
    "test_leaves_no_name_of_the_target",
    "test_leaves_what_a_container_uses",
    "test_leaves_what_a_running_copy_uses",
    "test_leaves_what_the_user_pulled",
    "test_leaves_what_the_user_tagged",
    "test_owns_the_pulls_that_a_crash_cut_short",
    "test_pulls_again_what_somebody_pruned_before_the_push",
    "test_takes_a_single_image_as_it_is",
    "test_takes_the_engines_own_platform_of_an_index",
    "test_two_tags_of_one_image_are_pulled_once",
    "test_uses_the_layers_that_the_engine_has",
]

pytestmark = [
    pytest.mark.timeout(600),  # the first run makes a Debian root
    pytest.mark.skipif(not is_possible(), reason="only root can enter another Debian, which mmdebstrap makes"),
]


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory, trixie: DebianRoot) -> Iterator[Engine]:
    """An engine that replaces this machine's own."""
    folder = tmp_path_factory.mktemp("containerd")
    config = folder / "daemon.json"
    config.write_text('{"features": {"containerd-snapshotter": true}}')
    server = Engine(folder, options=(f"--config-file={config}",), root=trixie)
    try:
        yield server.start()
    finally:
        server.remove()


def test_it_is_that_store(engine: Engine) -> None:
    assert "containerd-snapshotter=true" in (engine.folder / "log").read_text()
