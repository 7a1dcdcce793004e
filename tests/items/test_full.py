"""The full form: defaults, registries, items."""

from datetime import timedelta
from pathlib import Path

import pytest

from ferryman.addresses import HostList
from ferryman.bandwidth import Bandwidth, Span
from ferryman.items import UNLIMITED, Configuration, Item, RegistryEntry
from ferryman.items.model import PruneRules, Rules, VerifyRules
from ferryman.platforms import Platforms
from tests.items.support import complaints, read

FULL = """\
defaults:
  target: registry.cn-shenzhen.aliyuncs.com/kubernetes_aliyun/
  limit: 20
  tags: {include: ['v.*'], exclude: ['.*-rc.*'], pin: [latest]}
registries:
  registry.cn-shenzhen.aliyuncs.com: {username: "${TARGET_USER}", password: "${TARGET_PASSWORD}"}
  docker.io: {endpoint: "https://registry-1.docker.io/", api: "https://hub.docker.com", concurrency: 4}
  127.0.0.1:5000: {tls: false, lister: oci}
items:
  - source: registry.k8s.io/kube-apiserver
    target: registry.example.com/mirror/
    limit: 3
    tags: {exclude: []}
    order: version
    platforms: linux
  - source: docker.io/traefik
    target: registry.example.com/proxies/edge
  - source: quay.io/coreos/flannel
"""
ENVIRON = {"TARGET_USER": "me", "TARGET_PASSWORD": "12: {34}"}


@pytest.fixture
def configuration(tmp_path: Path) -> Configuration:
    return read(tmp_path, FULL, environ=ENVIRON)


def one(tmp_path: Path, text: str, **environ: str) -> Item:
    (item,) = read(tmp_path, text, environ=environ).items
    return item


def test_a_target_with_a_slash_is_a_prefix_and_one_without_is_the_name(configuration: Configuration) -> None:
    assert [str(item.target) for item in configuration.items] == [
        "registry.example.com/mirror/kube-apiserver",
        "registry.example.com/proxies/edge",
        "registry.cn-shenzhen.aliyuncs.com/kubernetes_aliyun/flannel",
    ]


def test_an_item_is_named_after_its_source(configuration: Configuration) -> None:
    assert [item.name for item in configuration.items] == ["kube-apiserver", "traefik", "flannel"]


def test_items_inherit_what_they_do_not_say_and_tags_key_by_key(configuration: Configuration) -> None:
    special, _, plain = configuration.items
    assert (special.rules.limit, special.rules.order, special.platforms) == (3, "version", Platforms(keyword="linux"))
    assert [pattern.pattern for pattern in special.rules.include] == ["v.*"]
    assert special.rules.exclude == ()
    assert (plain.rules.limit, plain.rules.order, plain.platforms) == (20, "newest", None)
    assert [pattern.pattern for pattern in plain.rules.exclude] == [".*-rc.*"]


def test_registries_are_read(configuration: Configuration) -> None:
    assert configuration.registries == {
        "registry.cn-shenzhen.aliyuncs.com": RegistryEntry(username="me", password="12: {34}"),
        "docker.io": RegistryEntry(
            endpoint="https://registry-1.docker.io", api="https://hub.docker.com", concurrency=4
        ),
        "127.0.0.1:5000": RegistryEntry(tls=False, lister="oci"),
    }


def test_a_password_stays_out_of_every_repr(configuration: Configuration) -> None:
    assert "12: {34}" not in repr(configuration)


def test_a_registry_has_its_limits_and_all_of_them_one(tmp_path: Path) -> None:
    text = """\
bandwidth: ${LINE}
registries:
  r.io: {concurrency: 3, requests_per_second: 10, bandwidth: {"01:00-07:00": unlimited, else: 5MB/s}}
items: [{source: quay.io/a/b, target: r.io/x}]
"""
    configuration = read(tmp_path, text, environ={"LINE": "20MiB/s"})
    assert configuration.bandwidth == Bandwidth(20 * 2**20)
    assert configuration.registries == {
        "r.io": RegistryEntry(
            concurrency=3, requests_per_second=10, bandwidth=Bandwidth(5_000_000, (Span(60, 420, None),))
        )
    }


def test_a_registry_may_be_slow_and_lead_inward(tmp_path: Path) -> None:
    text = """\
registries:
  r.io: {timeout: 1m30s, least_rate: 2KiB/s, most_tags: 500000, redirects: storage.corp, proxy: "http://u:${P}@p:3128"}
  s.io: {redirects: ["*.corp", 10.0.0.0/8, "[fd00::1]:9000"], proxy: none}
items: [{source: quay.io/a/b, target: r.io/x}]
"""
    configuration = read(tmp_path, text, environ={"P": "geheim"})
    assert configuration.registries == {
        "r.io": RegistryEntry(
            timeout=90, least_rate=2048, most_tags=500_000, redirects=HostList.parse(["storage.corp"]),
            proxy="http://u:geheim@p:3128",
        ),
        "s.io": RegistryEntry(redirects=HostList.parse(["*.corp", "10.0.0.0/8", "[fd00::1]:9000"]), proxy=False),
    }  # fmt: skip
    assert "geheim" not in repr(configuration)


def test_an_old_file_may_have_an_image_of_that_name(tmp_path: Path) -> None:
    assert one(tmp_path, "bandwidth: {source: quay.io/a, target: r.io/x}").name == "bandwidth"


def test_docker_hub_has_one_name(tmp_path: Path) -> None:
    text = "registries: {registry-1.docker.io: {concurrency: 2}}\nitems: [{source: docker.io/a/b, target: r.io/x}]"
    assert read(tmp_path, text).registries == {"docker.io": RegistryEntry(concurrency=2)}


def test_an_empty_login_is_none(tmp_path: Path) -> None:
    text = """\
registries: {r.io: {username: "${USER_OF_R:-}", password: "${PASSWORD_OF_R:-}"}}
items: [{source: quay.io/a/b, target: r.io/x}]
"""
    assert read(tmp_path, text).registries == {"r.io": RegistryEntry()}


def test_a_password_comes_from_a_file_beside_items_yml_as_it_is_now(tmp_path: Path) -> None:
    text = """\
registries: {r.io: {username: me, password: "${P:-}", password_file: "secrets/${HOST}"}}
items: [{source: quay.io/a/b, target: r.io/x}]
"""
    file = tmp_path / "secrets/r.io"
    file.parent.mkdir()
    for password in ("hunter2", "$rotated: {3}"):
        file.write_text(f"{password}\n")
        configuration = read(tmp_path, text, environ={"HOST": "r.io"})
        assert configuration.registries == {"r.io": RegistryEntry(username="me", password=password)}
        assert password not in repr(configuration)


def test_an_empty_password_file_is_none(tmp_path: Path) -> None:
    text = """\
registries: {r.io: {username: "${USER_OF_R:-}", password_file: "${FILE_OF_R:-}"}}
items: [{source: quay.io/a/b, target: r.io/x}]
"""
    assert read(tmp_path, text).registries == {"r.io": RegistryEntry()}


def test_a_ca_file_is_looked_for_beside_items_yml(tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text("-----BEGIN CERTIFICATE-----")
    text = "registries: {r.io: {tls: ca.pem}}\nitems: [{source: quay.io/a/b, target: r.io/x}]"
    assert read(tmp_path, text).registries["r.io"].tls == str(tmp_path / "ca.pem")


def test_the_limit_has_a_second_spelling_and_an_item_overrides_either(tmp_path: Path) -> None:
    text = (
        "defaults: {target: r.io/x/, tag: {limit: 7}}\nitems: [{source: quay.io/a/b}, {source: quay.io/a/c, limit: 2}]"
    )
    assert [item.rules.limit for item in read(tmp_path, text).items] == [7, 2]


def test_there_is_no_limit_unless_one_is_given(tmp_path: Path) -> None:
    assert one(tmp_path, "items: [{source: quay.io/a/b, target: r.io/x}]").rules.limit == UNLIMITED


def test_the_source_may_be_inherited_to_fill_two_registries(tmp_path: Path) -> None:
    text = "defaults: {source: quay.io/a/b}\nitems: [{target: r.io/x/}, {target: s.io/x/}]"
    assert [str(item.target) for item in read(tmp_path, text).items] == ["r.io/x/b", "s.io/x/b"]


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("native", Platforms(keyword="native")),
        ("linux/aarch64", Platforms.parse("linux/arm64")),
        ("linux/e2k", Platforms.parse("linux/e2k")),  # newer than we are, or rarer: no near miss of another
        ("linux/mips64/r6", Platforms.parse("linux/mips64/r6")),
        ("[linux]", Platforms(keyword="linux")),
        ("[linux/amd64, linux/arm/v7]", Platforms.parse(["linux/amd64", "linux/arm/v7"])),
    ],
)
def test_platforms_are_a_word_one_or_a_list(tmp_path: Path, written: str, meant: Platforms) -> None:
    assert one(tmp_path, f"items: [{{source: quay.io/a/b, target: r.io/x, platforms: {written}}}]").platforms == meant


def test_the_direct_transport_takes_every_platform(tmp_path: Path) -> None:
    text = "items: [{source: quay.io/a/b, target: r.io/x, platforms: all}]"
    assert read(tmp_path, text, transport="direct").items[0].platforms == Platforms(keyword="all")


def test_an_item_may_choose_its_transport(tmp_path: Path) -> None:
    text = (
        "defaults: {target: r.io/x/, transport: direct}\n"
        "items: [{source: quay.io/a/b, platforms: all}, {source: quay.io/a/c, transport: auto}]"
    )
    assert [item.transport for item in read(tmp_path, text, transport="docker").items] == ["direct", "auto"]
    assert one(tmp_path, "items: [{source: quay.io/a/b, target: r.io/x}]").transport is None


def test_every_platform_is_for_an_item_that_an_engine_does_not_carry(tmp_path: Path) -> None:
    item = "items: [{source: quay.io/a/b, target: r.io/x, platforms: all, transport: docker}]"
    (complaint,) = complaints(tmp_path, item, transport="direct")
    assert "platforms: found 'all', expected linux, native or a list" in complaint


def test_the_environment_fills_in_numbers_truth_and_keys_where_they_belong(tmp_path: Path) -> None:
    text = """\
registries: {"${HOST}": {tls: "${TLS:-false}", concurrency: "${AT_ONCE}", password: "${WORD}", username: "1"}}
items: [{source: quay.io/a/b, target: "${HOST}/x/", limit: "${LIMIT:-8}"}]
"""
    environ = {"HOST": "127.0.0.1:5000", "AT_ONCE": "3", "WORD": "true"}
    configuration = read(tmp_path, text, environ=environ)
    assert configuration.registries["127.0.0.1:5000"] == RegistryEntry(
        username="1", password="true", concurrency=3, tls=False
    )
    assert configuration.items[0].rules.limit == 8


def test_a_byte_order_mark_and_windows_line_ends_do_no_harm(tmp_path: Path) -> None:
    text = "\ufeffitems:\r\n  - source: quay.io/a/b\r\n    target: r.io/x\r\n"
    assert str(one(tmp_path, text).target) == "r.io/x"


def test_a_dollar_at_the_end_of_an_expression_is_no_variable(tmp_path: Path) -> None:
    text = "items: [{source: quay.io/a/b, target: r.io/x, tags: {include: ['^v1$', 'a$|b$$']}}]"
    assert [pattern.pattern for pattern in one(tmp_path, text).rules.include] == ["^v1$", "a$|b$"]


def test_referrers_are_brought_along_where_it_is_said(tmp_path: Path) -> None:
    text = (
        "defaults: {target: r.io/x/, referrers: true, transport: auto}\n"
        "items: [{source: quay.io/a/b}, {source: quay.io/a/c, referrers: false, transport: docker}, "
        "{source: quay.io/a/d, referrers: '${SIGNED}'}]"
    )
    items = read(tmp_path, text, environ={"SIGNED": "true"}).items
    assert [item.rules.referrers for item in items] == [True, False, True]
    assert not one(tmp_path, "items: [{source: quay.io/a/b, target: r.io/x}]").rules.referrers


def test_referrers_that_an_item_inherits_and_its_engine_cannot_carry(tmp_path: Path) -> None:
    text = "defaults: {target: r.io/x/, referrers: true}\nitems: [{source: quay.io/a/b, transport: docker}]"
    (complaint,) = complaints(tmp_path, text, transport="direct")
    assert complaint.startswith("1:40: referrers: found true, expected false")


def test_how_often_tags_are_asked_for_is_inherited_key_by_key(tmp_path: Path) -> None:
    text = (
        "defaults: {target: r.io/x/, probe: always, tags: {immutable: 'v.*'}}\n"
        "items: [{source: quay.io/a/b, tags: {pin: latest}}, "
        "{source: quay.io/a/c, probe: learned, tags: {immutable: []}}]"
    )
    found = read(tmp_path, text).items
    assert [(item.probe, [each.pattern for each in item.immutable]) for item in found] == [
        ("always", ["v.*"]), ("learned", []),
    ]  # fmt: skip
    plain = one(tmp_path, "items: [{source: quay.io/a/b, target: r.io/x}]")
    assert (plain.probe, plain.immutable) == ("learned", ())


def test_which_tags_may_not_change_and_what_is_done_is_inherited(tmp_path: Path) -> None:
    text = (
        "defaults: {target: r.io/x/, on_change: hold}\n"
        "items: [{source: quay.io/a/b}, {source: quay.io/a/c, on_change: copy}, "
        "{source: quay.io/a/d, tags: {immutable: 'v.*'}}, {source: quay.io/a/e, tags: {immutable: []}}]"
    )
    usual, copied, named, none = (item.rules for item in read(tmp_path, text).items)
    signature = f"sha256-{64 * 'a'}.sig"
    for rules, held in (
        (usual, ["1.2.3", "v1.2.3-alpine"]), (copied, []), (named, ["v1", "v1.2.3-alpine"]), (none, []),
    ):  # fmt: skip
        tags = ("1.2.3", "latest", signature, "v1", "v1.2.3-alpine", "1.27")
        assert [tag for tag in tags if rules.on_change_of(tag) == "hold"] == held
    everything = "items: [{source: quay.io/a/b, target: r.io/x, tags: {immutable: '.*'}}]"
    assert one(tmp_path, everything).rules.on_change_of("latest") == "warn"
    assert one(tmp_path, everything).rules.on_change_of(signature) == "copy"  # it only gets more


def test_the_registry_of_a_source_says_more_than_the_defaults_and_less_than_the_item(tmp_path: Path) -> None:
    text = (
        "defaults: {target: r.io/x/, probe: always}\n"
        "registries: {quay.io: {probe: learned}, gcr.io: {}, r.io: {probe: learned}}\n"
        "items: [{source: quay.io/a/b}, {source: quay.io/a/c, probe: always}, "
        "{source: gcr.io/a/d}, {source: ghcr.io/a/e}]"
    )
    assert [item.probe for item in read(tmp_path, text).items] == ["learned", "always", "always", "always"]


def test_how_targets_are_verified_has_defaults_key_by_key(tmp_path: Path) -> None:
    text = (
        "defaults: {target: r.io/x/, verify: {every: 7d, deep: true, repair: all}}\n"
        "items: [{source: quay.io/a/b, verify: {deep: bytes, repair: false}}, {source: quay.io/a/c}]"
    )
    own, inherited = read(tmp_path, text).items
    assert own.verify == VerifyRules(every=timedelta(days=7), depth="bytes", repair="nothing")
    assert inherited.verify == VerifyRules(every=timedelta(days=7), depth="contents", repair="all")
    plain = one(tmp_path, "items: [{source: quay.io/a/b, target: r.io/x}]")
    assert plain.verify == VerifyRules(every=timedelta(days=30), depth="tags", repair="missing")


def test_targets_are_not_verified_where_that_is_off(tmp_path: Path) -> None:
    text = "items: [{source: quay.io/a/b, target: r.io/x, verify: off}, {source: quay.io/a/c, target: r.io/y}]"
    assert [item.verify for item in read(tmp_path, text).items] == [None, VerifyRules()]
    defaults = "defaults: {target: r.io/x/, verify: false}\n"
    text = f"{defaults}items: [{{source: quay.io/a/b}}, {{source: quay.io/a/c, verify: {{deep: true}}}}]"
    assert [item.verify for item in read(tmp_path, text).items] == [None, VerifyRules(depth="contents")]


def test_what_may_be_pruned_has_defaults_key_by_key(tmp_path: Path) -> None:
    text = (
        "defaults: {target: r.io/x/, prune: {keep: 5, after: 7d, foreign: true}, protect: lts}\n"
        "items: [{source: quay.io/a/b, prune: {after: 12h, most: 100%, foreign: false}}, {source: quay.io/a/c}, "
        "{source: quay.io/a/d, prune: false, protect: [a, b]}, {source: quay.io/a/e, prune: {keep: 0}}]"
    )
    own, inherited, off, none = read(tmp_path, text).items
    assert own.prune == PruneRules(keep=5, after=timedelta(hours=12), most=1.0)
    assert inherited.prune == PruneRules(keep=5, after=timedelta(days=7), most=0.1, foreign=True)
    assert off.prune is None
    assert none.prune == PruneRules(keep=0, after=timedelta(days=7), foreign=True)
    assert [pattern.pattern for pattern in off.protect] == ["a", "b"]
    assert [pattern.pattern for pattern in own.protect] == ["lts"]
    assert one(tmp_path, "items: [{source: quay.io/a/b, target: r.io/x}]").prune is None
    text = "defaults: {target: r.io/x/, prune: false}\nitems: [{source: quay.io/a/b, prune: true}]"
    assert one(tmp_path, text).prune == PruneRules()


def test_how_long_digests_are_kept(tmp_path: Path) -> None:
    text = (
        "defaults: {target: r.io/x/, history: 30d}\n"
        "items: [{source: quay.io/a/b}, {source: quay.io/a/c, history: 0}, {source: quay.io/a/d, history: 12h}]"
    )
    periods = [timedelta(days=30), timedelta(0), timedelta(hours=12)]
    assert [item.history for item in read(tmp_path, text).items] == periods
    assert one(tmp_path, "items: [{source: quay.io/a/b, target: r.io/x}]").history == timedelta(days=90)


def test_the_share_that_has_to_be_left_of_the_wanted_tags(tmp_path: Path) -> None:
    text = (
        "defaults: {target: r.io/x/, collapse: 30%}\n"
        "items: [{source: quay.io/a/b}, {source: quay.io/a/c, collapse: off}, {source: quay.io/a/d, collapse: 100%}]"
    )
    assert [item.collapse for item in read(tmp_path, text).items] == [30, 0, 100]
    assert one(tmp_path, "items: [{source: quay.io/a/b, target: r.io/x}]").collapse == 50


def test_a_min_age_comes_from_the_item_its_registry_or_the_defaults(tmp_path: Path) -> None:
    text = (
        "defaults: {target: r.io/x/, min_age: 72h, tags: {min_age: 0}}\n"
        "registries: {quay.io: {min_age: 1d}, r.io: {min_age: 5d}}\n"
        "items: [{source: quay.io/a/b}, {source: quay.io/a/c, min_age: 0}, {source: gcr.io/a/d, tags: {min_age: 2h}}]"
    )
    rules = [item.rules for item in read(tmp_path, text).items]
    hours = [each.min_age.total_seconds() / 3600 for each in rules]
    pinned = [each.age_of(pinned=True).total_seconds() / 3600 for each in rules]
    assert (hours, pinned) == ([24, 0, 72], [0, 0, 2])
    plain = Rules()
    assert (plain.age_of(pinned=True), plain.age_of(pinned=False)) == (timedelta(), timedelta())
