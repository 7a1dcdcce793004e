"""How large a page of tags may be."""

from ferryman.registry.page_sizes import PageSizes


def test_smaller_pages_are_tried_until_one_is_taken() -> None:
    sizes = PageSizes()
    assert sizes.to_try("a", 1000) == [1000, 100, None]
    sizes.taken("a", 100, usual=1000)
    assert sizes.to_try("a", 1000) == [100, None]
    sizes.taken("a", None, usual=1000)
    assert sizes.to_try("a", 1000) == [None]
    assert sizes.to_try("b", 100) == [100, None]


def test_a_list_that_is_asked_for_as_a_whole_teaches_nothing() -> None:
    sizes = PageSizes()
    sizes.taken("a", None, usual=None)
    assert sizes.to_try("a", None) == [None]
    assert sizes.to_try("a", 1000) == [1000, 100, None]
