"""The first Ferryman's two forms, as users have them on disk."""

from pathlib import Path

from ferryman.items import UNLIMITED
from ferryman.platforms import Platforms
from tests.items.support import complaints, read

BOTH_FORMS = """\
kube-apiserver:
  source: k8s.gcr.io/
  target: registry.cn-shenzhen.aliyuncs.com/kubernetes_aliyun/
  limit: 20

flannel:
  source: quay.io/coreos
  target: registry.cn-shenzhen.aliyuncs.com/quayio_aliyun/
  tag:
    limit: 9999

pause:
  source: k8s.gcr.io
  target: registry.cn-shenzhen.aliyuncs.com/kubernetes_aliyun
"""


def test_both_spellings_stand_side_by_side_in_one_file(tmp_path: Path) -> None:
    made = {item.name: item for item in read(tmp_path, BOTH_FORMS).items}
    assert {name: (str(item.source), str(item.target), item.rules.limit) for name, item in made.items()} == {
        "kube-apiserver": (
            "k8s.gcr.io/kube-apiserver",
            "registry.cn-shenzhen.aliyuncs.com/kubernetes_aliyun/kube-apiserver",
            20,
        ),
        "flannel": ("quay.io/coreos/flannel", "registry.cn-shenzhen.aliyuncs.com/quayio_aliyun/flannel", 9999),
        "pause": ("k8s.gcr.io/pause", "registry.cn-shenzhen.aliyuncs.com/kubernetes_aliyun/pause", UNLIMITED),
    }


def test_a_repeated_key_is_two_items(tmp_path: Path) -> None:
    made = read(
        tmp_path,
        """\
jenkins: {source: docker.io/jenkins/, target: r.example.com/hub/}
jenkins: {source: quay.io/x/, target: r.example.com/quay/}
""",
    ).items
    assert [(item.name, str(item.source), str(item.target)) for item in made] == [
        ("jenkins", "docker.io/jenkins/jenkins", "r.example.com/hub/jenkins"),
        ("jenkins", "quay.io/x/jenkins", "r.example.com/quay/jenkins"),
    ]


def test_an_image_right_at_docker_hub_is_in_its_library(tmp_path: Path) -> None:
    (item,) = read(tmp_path, "traefik: {source: docker.io/, target: r.example.com/hub/}").items
    assert str(item.source) == "docker.io/library/traefik"
    assert str(item.target) == "r.example.com/hub/traefik"


def test_a_name_that_yaml_reads_as_a_number_is_still_a_name(tmp_path: Path) -> None:
    (item,) = read(tmp_path, "3270: {source: docker.io/terminals, target: r.example.com/hub/}").items
    assert str(item.source) == "docker.io/terminals/3270"


def test_the_new_keys_work_in_the_old_form_too(tmp_path: Path) -> None:
    (item,) = read(
        tmp_path,
        """\
etcd:
  source: registry.k8s.io/
  target: r.example.com/k8s/
  tags: {include: ['3\\.\\d+'], pin: latest}
  order: version
  platforms: [linux/amd64, linux/arm64]
""",
    ).items
    assert [pattern.pattern for pattern in item.rules.include] == [r"3\.\d+"]
    assert [pattern.pattern for pattern in item.rules.pin] == ["latest"]
    assert item.rules.order == "version"
    assert item.platforms == Platforms.parse(["linux/amd64", "linux/arm64"])


def test_an_image_may_be_called_items_or_registries(tmp_path: Path) -> None:
    made = read(
        tmp_path,
        """\
items: {source: quay.io/a, target: r.example.com/a/}
registries: {source: quay.io/a, target: r.example.com/a/}
""",
    ).items
    assert [str(item.source) for item in made] == ["quay.io/a/items", "quay.io/a/registries"]


def test_an_image_may_be_called_nearly_as_a_section_is(tmp_path: Path) -> None:
    (item,) = read(tmp_path, "registry: {source: docker.io/, target: r.example.com/hub/}").items
    assert str(item.source) == "docker.io/library/registry"


def test_merged_keys_and_aliases_are_understood(tmp_path: Path) -> None:
    made = read(
        tmp_path,
        """\
pause: &k8s {source: registry.k8s.io/, target: r.example.com/k8s/, limit: 3}
etcd:
  <<: *k8s
  limit: 5
""",
    ).items
    assert [(item.name, item.rules.limit) for item in made] == [("pause", 3), ("etcd", 5)]


def test_two_items_with_one_target_are_named_with_both_lines(tmp_path: Path) -> None:
    assert complaints(
        tmp_path,
        """\
jenkins: {source: docker.io/jenkins/, target: r.example.com/hub/}
jenkins: {source: quay.io/x/, target: r.example.com/hub/}
""",
    ) == [
        "2:1: jenkins would write to r.example.com/hub/jenkins, as jenkins in line 1 does: expected a target of its own"
    ]
