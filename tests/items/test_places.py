"""A mistake is reported at its position, whatever surrounds it."""

import tempfile
from pathlib import Path

import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from ferryman.items.problems import Problems
from ferryman.items.tree import parse, plain
from tests.items.support import complaints

NAMES = st.from_regex(r"[a-z]{3,8}", fullmatch=True)
COMMENTS = st.lists(st.sampled_from(["", "# a comment", "  # ein Kommentar, indented", "# 注释"]), max_size=5)
TREES = st.recursive(
    st.booleans() | st.integers(0, 10**17) | st.text(st.characters(categories=["L", "N", "P", "Zs"])),
    lambda children: st.lists(children, max_size=3) | st.dictionaries(st.text("abc", min_size=1), children, max_size=3),
    max_leaves=10,
)


@settings(max_examples=50)
@given(st.lists(NAMES, min_size=1, max_size=8, unique=True), COMMENTS, st.data())
def test_a_bad_limit_is_found_among_good_items(images: list[str], comments: list[str], data: st.DataObject) -> None:
    bad = data.draw(st.sampled_from(images))
    lines, expected = [], ""
    for image in images:
        lines += [*comments, f"{image}:", "  source: quay.io/a", *comments, "  target: r.io/x/"]
        indent = " " * data.draw(st.integers(1, 5))
        lines.append(f"  limit:{indent}{0 if image == bad else 7}")
        if image == bad:
            expected = f"{len(lines)}:{len('  limit:') + len(indent) + 1}: limit: found 0"
    with tempfile.TemporaryDirectory() as folder:
        (complaint,) = complaints(Path(folder), "\n".join(lines))
    assert complaint.startswith(expected)


@given(TREES, st.booleans())
def test_what_yaml_means_is_what_the_tree_holds(value: object, flow: bool) -> None:
    problems = Problems("items.yml")
    text = yaml.safe_dump({"top": value}, default_flow_style=flow, allow_unicode=True).replace("$", "$$")
    root = parse(text, {}, problems)
    assert not problems
    assert root is not None
    assert plain(root) == {"top": value}
