"""Page sizes of tag lists."""

from ferryman.registry.page_sizes import PageSizes


def test_smaller_pages_are_tried_until_one_is_accepted() -> None:
    sizes = PageSizes()
    assert sizes.to_try("a", 1000) == [1000, 100, None]
    sizes.taken("a", 100, usual=1000)
    assert sizes.to_try("a", 1000) == [100, None]
    sizes.taken("a", None, usual=1000)
    assert sizes.to_try("a", 1000) == [None]
    assert sizes.to_try("b", 100) == [100, None]


def test_a_list_without_a_page_size_is_not_remembered() -> None:
    sizes = PageSizes()
    sizes.taken("a", None, usual=None)
    assert sizes.to_try("a", None) == [None]
    assert sizes.to_try("a", 1000) == [1000, 100, None]
