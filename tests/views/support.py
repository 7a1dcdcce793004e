"""A job, and what may be left, for views."""

from ferryman.store.records import Job, Outstanding
from tests.support.upstreams import made_up_digest

JOB = Job(
    id=7, item="etcd", source="quay.io/coreos/etcd", target="registry.example.com/mirror/etcd", tag="v3.5.0",
    digest=made_up_digest("source"), platforms=None, attempt=1, token="token",
)  # fmt: skip
NOTHING_LEFT = Outstanding(due=0, waiting=0, held=0, running=0, next_at=None)
