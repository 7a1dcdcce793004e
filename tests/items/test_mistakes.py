"""Broken files: each is reported with line, column, what was found and what was expected, and no secret."""

# ruff: noqa: E501 (tables: one case a line, and whole sentences are compared)

from pathlib import Path

import pytest

from ferryman import items
from ferryman.errors import ConfigurationError
from tests.items.support import complaints

ITEM = "items:\n  - source: quay.io/a/b\n    target: r.io/x\n    "
REGISTRY = "items: [{source: quay.io/a/b, target: r.io/x}]\nregistries:\n  r.io:\n    "
NUMBER = "expected a whole number of at least 1"
NOTHING = "found nothing, expected a value: fill it in, or leave the key out"
ADDRESS = "expected http:// or https://, a host and perhaps a port, such as https://mirror.example.com:5000"
TLS = "expected false (plain HTTP), true (HTTPS), or the path of a CA file"
TAG = "found a YAML tag (!…), expected none: put the text in quotes if it is none"
RATE = "is no rate: expected a rate such as 20MB/s, or unlimited"
RATES = 'expected a rate such as 20MB/s, or rates by the time of day: {"01:00-07:00": unlimited, …}'
SPAN = "is no part of a day: expected one such as 01:00-07:00, or else"
PLATFORM = "is not a platform: expected os/architecture[/variant], such as linux/arm64"

SHAPES = [
    ("", "1:1: the file is empty: expected a list of images under items:"),
    ("# nothing but\n# comments\n", "1:1: the file is empty: expected a list of images under items:"),
    ("hello", "1:1: found text, expected a mapping with items:"),
    ("- a\n- b", "1:1: found a list, expected a mapping with items:"),
    ("{}", "1:1: found no item, expected at least one under items:"),
    ("items: []", "1:1: found no item, expected at least one under items:"),
    ("items:\n", f"1:7: {NOTHING}"),
    ("items: 3", "1:8: items: found a number, expected a list (- source: …)"),
    ("items: {a: {b: 1}}", "1:8: items: found a mapping, expected a list (- source: …)"),
    ("items:\n  source: quay.io/a/b\n  target: x.io/y/", "2:3: items: found a mapping, expected a list (- source: …)"),
    (
        "items: {source: quay.io/a/b, target: x.io/y/}\nbandwidth: 1MB/s",
        "1:8: items: found a mapping, expected a list (- source: …)",
    ),
    (
        "defaults: {source: quay.io/a/b}\nitems: {source: quay.io/a/b, target: x.io/y/}",
        "2:8: items: found a mapping, expected a list (- source: …)",
    ),
    ("items: [a]", "1:9: items: found text, expected a mapping with source and target"),
    ("items: [null]", f"1:9: {NOTHING}"),
    ("itms: [a]", "1:1: itms: found a list, expected a mapping with source and target (did you mean 'items'?)"),
    ("itmes: [a]", "1:1: itmes: found a list, expected a mapping with source and target (did you mean 'items'?)"),
    (
        "kube: {source: k8s.gcr.io/, target: r.io/}\ndefault: {target: r.io/}",
        "2:1: default: found a mapping without source, expected a mapping with source and target (did you mean 'defaults'?)",
    ),
    (
        "items: [{source: quay.io/a/b, target: r.io/x}]\ndefault: {limit: 3}",
        "2:1: unknown key 'default' (did you mean 'defaults'?): expected items, defaults, registries, bandwidth, notify, heartbeat, unreachable_after",
    ),
    (
        "items: [{source: quay.io/a/b, target: r.io/x}]\nitems: []",
        "2:1: the key 'items' is repeated: line 1 has it already",
    ),
    (
        "items: [{source: quay.io/a/b, target: r.io/x}]\nregistry: {}",
        "2:1: unknown key 'registry' (did you mean 'registries'?): expected items, defaults, registries, bandwidth, notify, heartbeat, unreachable_after",
    ),
    (
        "items: [{source: quay.io/a/b, target: r.io/x}]\ndefaults: 3",
        "2:11: defaults: found a number, expected a mapping",
    ),
    (
        "items: [{source: quay.io/a/b, target: r.io/x}]\nregistries: [a]",
        "2:13: registries: found a list, expected a mapping",
    ),
    ("kube: {source: k8s.gcr.io/}", "1:1: target is missing: expected it under kube:"),
    ("kube: {target: r.io/}", "1:1: source is missing: expected it under kube:"),
    ("kube:\n", f"1:6: {NOTHING}"),
    ("password: hunter2", "1:1: password: found text, expected a mapping with source and target"),
]

SYNTAX = [
    ("a: [1", "1:6: not valid YAML: while parsing a flow sequence, expected ',' or ']', but got '<stream end>'"),
    ("a: 1\nb: 'x", "2:6: not valid YAML: while scanning a quoted scalar, found unexpected end of stream"),
    ("a: b: c", "1:5: not valid YAML: mapping values are not allowed here"),
    ("a:\n\tb: c", "2:1: not valid YAML: found a tab, expected spaces"),
    ("a: 1\n---\nb: 2", "2:1: not valid YAML: expected a single document in the stream, but found another document"),
    ("a: x\nb: é\x00b", "2:5: found the character #x00, which YAML does not allow"),
    ("a: !foo x", f"1:4: {TAG}"),
    ("a: !!python/object/apply:os.system [ls]", f"1:4: {TAG}"),
    ("a: !!set {b, c}", f"1:4: {TAG}"),
    ("a: &a [*a]", "1:4: nested too deeply: an alias (*) contains itself"),
    ("a: &a\n  <<: *a", "1:4: nested too deeply: an alias (*) contains itself"),
    (f"a: {'[' * 1000}", "1:22: not valid YAML: nested too deeply"),
    ("? [a]\n: b", "1:3: found a list or a mapping as a key, expected a name"),
    ("a: {<<: 3, source: quay.io, target: r.io/}", "1:9: expected a mapping, or an alias (*) of one, after <<"),
]

ITEMS = [
    (f"{ITEM}limit: 0", f"4:12: limit: found 0, {NUMBER}"),
    (f"{ITEM}limit: -1", f"4:12: limit: found -1, {NUMBER}"),
    (f"{ITEM}limit: yes", f"4:12: limit: found yes, {NUMBER}"),
    (f"{ITEM}limit: 1.5", f"4:12: limit: found 1.5, {NUMBER}"),
    (f"{ITEM}limit: '3'", f"4:12: limit: found '3', {NUMBER}"),
    (f"{ITEM}limit: [1]", f"4:12: limit: found a list, {NUMBER}"),
    (f"{ITEM}limit: {'9' * 5000}", f"4:12: limit: found {'9' * 60}…, {NUMBER}"),
    (f"{ITEM}limit:", f"4:11: {NOTHING}"),
    (f"{ITEM}limit: 3\n    limit: 4", "5:5: the key 'limit' is repeated: line 4 has it already"),
    (f"{ITEM}limit: 3\n    tag: {{limit: 4}}", "5:11: tag.limit: line 4 has a limit already: expected one of the two spellings"),
    (f"{ITEM}tag: {{limit: 0}}", f"4:18: tag.limit: found 0, {NUMBER}"),
    (f"{ITEM}tag: {{limits: 3}}", "4:11: unknown key 'limits' (did you mean 'limit'?): expected limit"),
    (f"{ITEM}tag: 3", "4:10: tag: found 3, expected a mapping"),
    (f"{ITEM}tags: [a]", "4:11: tags: found a list, expected a mapping"),
    (f"{ITEM}tags: {{includes: a}}", "4:12: unknown key 'includes' (did you mean 'include'?): expected include, exclude, pin, immutable, min_age"),
    (f"{ITEM}tags: {{include: ['(']}}", "4:22: tags.include: '(' is not a regular expression: missing ), unterminated subpattern at position 0"),
    (f"{ITEM}tags: {{exclude: ['a{{9999999999999}}']}}", "4:22: tags.exclude: 'a{9999999999999}' is not a regular expression: the repetition number is too large"),
    (f"{ITEM}tags: {{include: {{a: b}}}}", "4:21: tags.include: found a mapping, expected a list"),
    (f"{ITEM}tags: {{include: [a, null]}}", f"4:25: {NOTHING}"),
    (f"{ITEM}order: oldest", "4:12: order: found 'oldest', expected 'newest', 'version' or 'name'"),
    (f"{ITEM}on_change: keep", "4:16: on_change: found 'keep', expected 'copy', 'warn' or 'hold'"),
    (f"{ITEM}transport: skopeo", "4:16: transport: found 'skopeo', expected 'docker', 'direct' or 'auto'"),
    (f"{ITEM}order: [newest]", "4:12: order: found a list, expected 'newest', 'version' or 'name'"),
    (f"{ITEM}platforms: amd64", f"4:16: platforms: 'amd64' {PLATFORM}"),
    (f"{ITEM}platforms: [linux/amd64, linux]", f"4:16: platforms: 'linux' {PLATFORM}"),
    (f"{ITEM}platforms: [linux/amd46, windows/amd64]", "4:17: platforms: 'linux/amd46' has an unknown architecture (did you mean 'amd64'?)"),
    (f"{ITEM}platforms: linux/amd64,linux/armv7", "4:16: platforms: 'linux/amd64,linux/armv7' has an unknown architecture (did you mean 'arm'?)"),
    (f"{ITEM}platforms: [linux/amd64, a/b/c/d]", f"4:30: platforms: 'a/b/c/d' {PLATFORM}"),
    (f"{ITEM}platforms: []", "4:16: platforms: the list of platforms is empty: expected native, linux, all or os/architecture …"),
    (f"{ITEM}platforms: all", "4:16: platforms: found 'all', expected linux, native or a list: a Docker Engine on Linux cannot carry Windows images; with transport: direct it goes without one"),
    (f"{ITEM}lmit: 3", "4:5: unknown key 'lmit' (did you mean 'limit'?): expected source, target, limit, tag, tags, order, platforms, transport, referrers, probe, verify, verify_signatures, collapse, history, prune, protect, min_age, on_change"),
    (f"{ITEM}prune: 5", "4:12: prune: found 5, expected true, false, or a mapping with keep, after, most and foreign"),
    (f"{ITEM}prune: {{keep: -1}}", "4:19: prune.keep: found -1, expected a whole number, or 0"),
    (f"{ITEM}prune: {{after: 30}}", "4:20: prune.after: found 30, expected a duration such as 30d or 12h"),
    (f"{ITEM}prune: {{most: 10}}", "4:19: prune.most: found 10, expected a part from 1% to 100%, such as 10%"),
    (f"{ITEM}prune: {{most: 0%}}", "4:19: prune.most: found '0%', expected a part from 1% to 100%, such as 10%"),
    (f"{ITEM}prune: {{foreign: theirs}}", "4:22: prune.foreign: found 'theirs', expected true or false"),
    (f"{ITEM}prune: {{kept: 5}}", "4:13: unknown key 'kept' (did you mean 'keep'?): expected keep, after, most, foreign"),
    (f"{ITEM}protect: '('", "4:14: protect: '(' is not a regular expression: missing ), unterminated subpattern at position 0"),
    (f"{ITEM}min_age: 3", "4:14: min_age: found 3, expected a duration such as 90d, or 0"),
    (f"{ITEM}min_age: false", "4:14: min_age: found false, expected a duration such as 90d, or 0"),
    (f"{ITEM}referrers: true", "4:16: referrers: found true, expected false: a Docker Engine cannot carry signatures and their like; with transport: direct they go along"),
    (f"{ITEM}collapse: 50", "4:15: collapse: found 50, expected a share of the wanted tags such as 50%, or off"),
    (f"{ITEM}collapse: 0%", "4:15: collapse: found '0%', expected a share of the wanted tags such as 50%, or off"),
    (f"{ITEM}collapse: true", "4:15: collapse: found true, expected a share of the wanted tags such as 50%, or off"),
    (f"{ITEM}history: 90", "4:14: history: found 90, expected a duration such as 90d, or 0"),
    (f"{ITEM}history: soon", "4:14: history: found 'soon', expected a duration of at most ten years, such as 10s, 6h, 1d or 1h30m"),
    (f"{ITEM}verify: {{every: 30}}", "4:21: verify.every: found 30, expected a duration such as 30d or 12h"),
    (f"{ITEM}verify: {{deep: blobs}}", "4:20: verify.deep: found 'blobs', expected true, false or bytes"),
    (f"{ITEM}verify: {{repair: missing}}", "4:22: verify.repair: found 'missing', expected true, false or all"),
    (f"{ITEM}verify: true", "4:13: verify: found true, expected a mapping"),
    (f"{ITEM}verify: {{often: true}}", "4:14: unknown key 'often': expected every, deep, repair"),
    (f"{ITEM}referrers: 1", "4:16: referrers: found 1, expected true or false"),
    ("Kube: {source: quay.io, target: r.io}", "1:16: source: 'Kube' is not a repository name: expected namespace/image (repository names are lower case)"),
]  # fmt: skip

UNQUOTED = [
    ("include: [1.10]", "4:22: tags.include: found 1.10", "a number"),
    ("pin: [3]", "4:18: tags.pin: found 3", "a number"),
    ("pin: 3", "4:17: tags.pin: found 3", "a number"),
    ("pin: [0x1F]", "4:18: tags.pin: found 0x1F", "a number"),
    ("exclude: [2024-01-01]", "4:22: tags.exclude: found 2024-01-01", "a date"),
    ("pin: on", "4:17: tags.pin: found on", "a truth value"),
]

REFERENCES = [
    ("nginx", "source: 'nginx' names no registry: expected registry/namespace/image, such as docker.io/nginx"),
    ("library/nginx", "source: 'library/nginx' names no registry: expected registry/namespace/image, such as docker.io/library/nginx"),
    ("quay.io/A/b", "source: 'A/b' is not a repository name: expected namespace/image (repository names are lower case)"),
    ("quay.io:70000/a/b", "source: 'quay.io:70000' is not a registry host: expected host or host:port"),
    ("https://quay.io/a/b", "source: found a URL, expected registry/namespace/image, without https://"),
    (
        "https://hub.docker.com/_/nginx",
        "source: 'https://hub.docker.com/_/nginx' is a page of Docker Hub's web site: expected docker.io/nginx",
    ),
    ("quay.io/a/b:v1", "source: found 'quay.io/a/b:v1', expected registry/namespace/image: which tags are wanted goes under tags:"),
    ("3", "source: found 3 without quotes, expected text: YAML reads this as a number, put it in quotes"),
]  # fmt: skip

REGISTRIES = [
    (f"{REGISTRY}username: me", "3:3: r.io: expected username and password, or neither: one of them is missing or empty"),
    (f"{REGISTRY}username: me\n    password: ''", "3:3: r.io: expected username and password, or neither: one of them is missing or empty"),
    (f"{REGISTRY}passwrod: x", "4:5: unknown key 'passwrod' (did you mean 'password'?): expected username, password, password_file, endpoint, api, concurrency, requests_per_second, bandwidth, tls, timeout, least_rate, most_tags, redirects, proxy, probe, min_age, lister"),
    (f"{REGISTRY}username: me\n    password: hunter2\n    password_file: x", "6:20: password_file: line 5 has a password already: expected one of the two"),
    (f"{REGISTRY}password_file: items.yml", "3:3: r.io: expected username and password, or neither: one of them is missing or empty"),
    (f"{REGISTRY}username: ''\n    password_file: items.yml", "3:3: r.io: expected username and password, or neither: one of them is missing or empty"),
    (f"{REGISTRY}username: me\n    password_file: hunter2", "5:20: password_file: there is no such file in '{folder}', expected a file that contains the secret"),
    (f"{REGISTRY}username: me\n    password_file: /", "5:20: password_file: '/' is a folder, expected a file that contains the secret"),
    (f"{REGISTRY}username: me\n    password_file: 12345", "5:20: password_file: found a number without quotes, expected text: YAML reads this as a number, put it in quotes"),
    (f"{REGISTRY}requests_per_second: 0", f"4:26: requests_per_second: found 0, {NUMBER}"),
    (f"{REGISTRY}timeout: 30", "4:14: timeout: found 30, expected a duration such as 90s or 5m"),
    (f"{REGISTRY}least_rate: unlimited", "4:17: least_rate: found 'unlimited', expected a rate such as 10KiB/s"),
    (f"{REGISTRY}redirects: [10.0.0.0/99]", "4:16: redirects: '10.0.0.0/99' names no hosts: expected a host name, *.name, an address or a network such as 10.0.0.0/8"),
    (f"{REGISTRY}proxy: socks5://u:geheim@p", "4:12: proxy: found text, expected http:// or https://, a host and perhaps a port, or none"),
    (f"{REGISTRY}bandwidth: 20MB", f"4:16: bandwidth: '20MB' {RATE}"),
    (f"{REGISTRY}bandwidth: 20Mb/s", f"4:16: bandwidth: '20Mb/s' {RATE}"),
    (f"{REGISTRY}bandwidth: 0.5B/s", f"4:16: bandwidth: '0.5B/s' {RATE}"),
    (f"{REGISTRY}bandwidth: 20", f"4:16: bandwidth: found 20, {RATES}"),
    (f"{REGISTRY}bandwidth: [1MB/s]", f"4:16: bandwidth: found a list, {RATES}"),
    (f"{REGISTRY}bandwidth: {{else: 3}}", f"4:16: bandwidth: found a mapping, {RATES}"),
    (f"{REGISTRY}bandwidth: {{else: fast}}", f"4:16: bandwidth: 'fast' {RATE}"),
    (f"{REGISTRY}bandwidth: {{night: 1MB/s}}", f"4:16: bandwidth: 'night' {SPAN}"),
    (f"{REGISTRY}bandwidth: {{'07:00-07:00': 1MB/s}}", f"4:16: bandwidth: '07:00-07:00' {SPAN}"),
    (f"{REGISTRY}bandwidth: {{'07:60-08:00': 1MB/s}}", f"4:16: bandwidth: '07:60-08:00' {SPAN}"),
    (f"{REGISTRY}bandwidth: {{'24:00-07:00': 1MB/s}}", f"4:16: bandwidth: '24:00-07:00' {SPAN}"),
    (f"{REGISTRY}bandwidth: {{'22:00-24:01': 1MB/s}}", f"4:16: bandwidth: '22:00-24:01' {SPAN}"),
    (
        f"{REGISTRY}bandwidth: {{'22:00-06:00': 1MB/s, '05:00-07:00': 2MB/s}}",
        "4:16: bandwidth: two of its hours are the same, from 05:00 on: expected one rate",
    ),
    (
        f"{REGISTRY}bandwidth: {{'01:00-02:00': 1MB/s, '1:00-2:00': unlimited}}",
        "4:16: bandwidth: two of its hours are the same, from 01:00 on: expected one rate",
    ),
    (
        "items: [{source: quay.io/a/b, target: r.io/x}]\nbandwidth: slow",
        f"2:12: bandwidth: 'slow' {RATE}",
    ),
    ("bandwidth: 1MB/s", "1:1: found no item, expected at least one under items:"),
    (f"{REGISTRY}endpoint: r.io", f"4:15: endpoint: found text, {ADDRESS}"),
    (f"{REGISTRY}endpoint: https://r.io/v2/", f"4:15: endpoint: found something after the host, {ADDRESS}"),
    (f"{REGISTRY}endpoint: https://my mirror", f"4:15: endpoint: found text, {ADDRESS}"),
    (f"{REGISTRY}endpoint: ftp://r.io", f"4:15: endpoint: found text, {ADDRESS}"),
    (f"{REGISTRY}endpoint: 'https://[x'", f"4:15: endpoint: found text, {ADDRESS}"),
    (f"{REGISTRY}api: https://r.io:99999", f"4:10: api: found text, {ADDRESS}"),
    (f"{REGISTRY}concurrency: 0", f"4:18: concurrency: found 0, {NUMBER}"),
    (f"{REGISTRY}tls: 3", f"4:10: tls: found 3, {TLS}"),
    (f"{REGISTRY}tls: ''", f"4:10: tls: found '', {TLS}"),
    (f"{REGISTRY}lister: docker", "4:13: lister: found 'docker', expected 'google', 'dockerhub', 'quay' or 'oci'"),
    (
        "items: [{source: quay.io/a/b, target: r.io/x}]\nregistries: {https://r.io: {}}",
        "2:14: registries: 'https://r.io' is not a registry host: expected host or host:port, as in the names of its images",
    ),
    (
        "items: [{source: quay.io/a/b, target: r.io/x}]\nregistries:\n  docker.io: {}\n  index.docker.io: {}",
        "4:3: registries: docker.io is repeated: line 3 has it already",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("text", "complaint"), [*SHAPES, *SYNTAX, *ITEMS, *REGISTRIES])
def test_a_broken_file_gets_one_exact_complaint(tmp_path: Path, text: str, complaint: str) -> None:
    assert complaints(tmp_path, text) == [complaint.replace("{folder}", str(tmp_path))]


@pytest.mark.parametrize(("tags", "found", "kind"), UNQUOTED)
def test_a_tag_that_yaml_takes_for_something_else_wants_quotes(
    tmp_path: Path, tags: str, found: str, kind: str
) -> None:
    expected = f"{found} without quotes, expected a regular expression: YAML reads this as {kind}, put it in quotes"
    assert complaints(tmp_path, f"{ITEM}tags: {{{tags}}}") == [expected]


@pytest.mark.parametrize(("source", "complaint"), REFERENCES)
def test_an_impossible_source(tmp_path: Path, source: str, complaint: str) -> None:
    assert complaints(tmp_path, f"items:\n  - source: {source}\n    target: r.io/x") == [f"2:13: {complaint}"]


def test_all_mistakes_are_reported_at_once_in_the_order_of_the_file(tmp_path: Path) -> None:
    text = """\
defaults: {limt: 3, tags: {include: ['[']}}
registries:
  r.io: {concurrency: 0, username: "${NAME_OF_ME}", password: x}
items:
  - source: nginx
    target: r.io/x
    limit: none
  - limit: 3
  - source: quay.io/a/b
    target: quay.io/a/
"""
    assert [line.split(":")[:2] for line in complaints(tmp_path, text)] == [
        ["1", "12"], ["1", "38"], ["3", "23"], ["3", "36"], ["5", "13"], ["7", "12"], ["8", "5"], ["8", "5"], ["9", "5"],
    ]  # fmt: skip


@pytest.mark.parametrize("target", ["mirror", "mirror/", "https://r.io/x/", "r.io/X/"])
def test_a_wrong_source_does_not_hide_a_wrong_target(tmp_path: Path, target: str) -> None:
    source, wrong = complaints(tmp_path, f"items:\n  - source: nginx\n    target: {target}")
    assert source.startswith("2:13: source: ")
    assert wrong.startswith("3:13: target: ")


def test_an_invalid_name_in_the_old_form_is_reported_once_for_source_and_target(tmp_path: Path) -> None:
    (complaint,) = complaints(tmp_path, "Kube: {source: quay.io/a, target: r.io/x/}")
    assert complaint.startswith("1:16: source: ")


@pytest.mark.parametrize("source", ["source: nginx", "limit: 3"])
def test_a_right_target_is_not_blamed_for_the_source(tmp_path: Path, source: str) -> None:
    (complaint,) = complaints(tmp_path, f"items:\n  - {source}\n    target: r.io/x/")
    assert "source" in complaint


def test_two_section_names_that_are_nearly_right_are_both_recognized(tmp_path: Path) -> None:
    text = "default: {target: r.io/x/}\nitmes: [{source: quay.io/a/b}]"
    assert complaints(tmp_path, text) == [
        "1:1: default: found a mapping without source, expected a mapping with source and target (did you mean 'defaults'?)",
        "2:1: itmes: found a list, expected a mapping with source and target (did you mean 'items'?)",
    ]


def test_an_inherited_mistake_is_reported_once_where_it_stands(tmp_path: Path) -> None:
    text = "defaults: {target: mirror/}\nitems: [{source: quay.io/a/b}, {source: quay.io/a/c}]"
    assert complaints(tmp_path, text) == [
        "1:20: target: 'mirror/b' names no registry: expected registry/namespace/image, such as docker.io/mirror/b"
    ]


def test_two_items_with_one_target_are_both_named(tmp_path: Path) -> None:
    text = """\
items:
  - source: quay.io/a/b
    target: r.io/x/
  - source: quay.io/c/d
    target: r.io/x/b
"""
    assert complaints(tmp_path, text) == [
        "4:5: d would write to r.io/x/b, as b in line 2 does: expected a target of its own"
    ]


def test_a_prefix_that_lost_its_slash_is_reported_once(tmp_path: Path) -> None:
    text = """\
defaults: {target: r.io:5000/team/mirror}
items:
  - source: quay.io/a/b
  - source: quay.io/c/d
  - {source: quay.io/c/e, target: r.io/x/}
  - source: docker.io/f
"""
    [message] = complaints(tmp_path, text)
    assert message.startswith("3:5: target: 3 items would write to r.io:5000/team/mirror: ")
    assert "did you mean `r.io:5000/team/mirror/`" in message


def test_an_image_is_not_copied_onto_itself(tmp_path: Path) -> None:
    text = "items:\n  - source: docker.io/nginx\n    target: index.docker.io/library/"
    assert complaints(tmp_path, text) == [
        "2:5: target: docker.io/library/nginx is the source itself, expected another repository"
    ]


def test_every_unset_variable_is_named_and_a_default_serves_for_an_empty_one(tmp_path: Path) -> None:
    text = f"{ITEM}limit: ${{L:-3}}\n    order: ${{A}}${{B}}${{A}}\n    tags: {{pin: '${{C'}}"
    assert complaints(tmp_path, text, environ={"L": ""}) == [
        "5:12: not set in the environment: A, B (a default would be written ${A:-…})",
        "6:17: expected ${NAME} or ${NAME:-default} after '${', or $$ for a dollar sign",
    ]


def test_a_wrong_value_of_the_environment_is_blamed_on_the_environment(tmp_path: Path) -> None:
    assert complaints(tmp_path, f"{ITEM}limit: ${{LIMIT}}", environ={"LIMIT": "many"}) == [
        f"4:12: limit: found '${{LIMIT}}' (from the environment), {NUMBER}"
    ]


def test_a_value_of_the_environment_cannot_bring_yaml_in(tmp_path: Path) -> None:
    evil = "r.io/x\n  - source: quay.io/evil/b\n    target: r.io/y"
    (complaint,) = complaints(tmp_path, "items:\n  - source: quay.io/a/b\n    target: ${T}", environ={"T": evil})
    assert complaint.startswith("3:13: target: ")


@pytest.mark.parametrize(
    "login",
    [
        "username: me\n    password: [hunter2]",
        "username: me\n    password: {hunter2: hunter2}",
        "username: [hunter2]\n    password: 12345",
        "username: me\n    password: *hunter2",
        "username: me\n    password: !hunter2 x",
        "username: me\n    password: !hunter2!x y",
        "username: me\n    password: 'hunter2\n    concurrency: 3",
        "username: ''\n    password: hunter2",
        "username: me\n    password_file: [hunter2]",
        "username: me\n    password_file: hunter2",
        "username: me\n    password_file: ${SECRET}",
        "username: me\n    password: hunter2\n    password_file: ${SECRET}",
        "password_file: secret.txt",
        "username: me\n    password_file: secret.txt\n    concurrency: 0",
        "username: me\n    password_file: secrets.bin",
        "username: ${UNSET}\n    password: ${SECRET}",
        "username: ${SECRET}",
        "endpoint: https://me:hunter2@r.io",
        "endpoint: https://me:hunter2@r.io:x",
        "endpoint: ${SECRET}",
    ],
)
def test_no_secret_is_ever_quoted(tmp_path: Path, login: str) -> None:
    (tmp_path / "secret.txt").write_text("hunter2")
    (tmp_path / "secrets.bin").write_bytes(b"hunter2\xff")
    reported = "\n".join(complaints(tmp_path, REGISTRY + login, environ={"SECRET": "hunter2"}))
    assert "hunter2" not in reported
    assert "12345" not in reported


def test_a_registry_that_is_only_a_login_is_not_quoted(tmp_path: Path) -> None:
    text = "items: [{source: quay.io/a/b, target: r.io/x}]\nregistries: {r.io: 'me:hunter2'}"
    assert complaints(tmp_path, text) == ["2:20: r.io: found text, expected a mapping"]


def test_a_missing_ca_file_is_named(tmp_path: Path) -> None:
    assert complaints(tmp_path, f"{REGISTRY}tls: ca.pem") == [
        f"4:10: tls: there is no file '{tmp_path}/ca.pem': expected a CA file, false or true"
    ]


@pytest.mark.slow
def test_aliases_that_unfold_without_end_are_stopped(tmp_path: Path) -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 10)]
    (complaint,) = complaints(tmp_path, "\n".join(lines))
    assert complaint.endswith("aliases (*) unfold to more than 200,000 values")


def test_text_that_is_not_utf8(tmp_path: Path) -> None:
    path = tmp_path / "items.yml"
    path.write_bytes("a: 1\nb: é".encode() + b"\xff")
    with pytest.raises(ConfigurationError) as caught:
        items.load(path, environ={})
    assert str(caught.value) == f"{path}:2:5: found the byte 0xff, expected text in UTF-8"


def test_a_missing_file_and_a_folder(tmp_path: Path) -> None:
    missing = tmp_path / "items.yml"
    with pytest.raises(ConfigurationError) as caught:
        items.load(missing, environ={})
    assert str(caught.value) == f"{missing}: there is no such file: name another with --items or FERRYMAN_ITEMS"
    with pytest.raises(ConfigurationError) as caught:
        items.load(tmp_path, environ={})
    assert str(caught.value) == f"{tmp_path}: found a folder, expected a file: name it with --items or FERRYMAN_ITEMS"
