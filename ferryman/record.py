"""The state database and its interfaces, opened as the settings say: all that most commands need."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from tempfile import TemporaryDirectory

from ferryman import retry
from ferryman.clock import SystemClock
from ferryman.errors import NoDatabase
from ferryman.settings import Settings
from ferryman.store.actions import Actions
from ferryman.store.cycles import CycleLog
from ferryman.store.database.database import Database, open_database
from ferryman.store.engine_images import EngineImages
from ferryman.store.foreign_tags import ForeignTags
from ferryman.store.freezes import Freezes
from ferryman.store.kept_digests import KeptDigests
from ferryman.store.ledger import Ledger
from ferryman.store.look_requests import LookRequests
from ferryman.store.notices import Notices
from ferryman.store.prunes import Prunes
from ferryman.store.queue.lease_owners import Locks, locks
from ferryman.store.queue.manual_pauses import ManualPauses
from ferryman.store.queue.queue import Queue
from ferryman.store.quiet_looks import QuietLookLog
from ferryman.store.rollbacks import Rollbacks
from ferryman.store.samples import Samples
from ferryman.store.services import Services
from ferryman.store.signatures import SignatureLog
from ferryman.store.target_blobs import TargetBlobs
from ferryman.store.target_checks import TargetChecks
from ferryman.store.verifications import Verifications


@dataclass(frozen=True, slots=True)
class Record:
    """The state database and its interfaces: all that commands without lookups and copies need."""

    name: str  # the file, or the server and the database
    queue: Queue
    ledger: Ledger
    services: Services
    images: EngineImages
    blobs: TargetBlobs
    targets: TargetChecks
    verifications: Verifications
    kept: KeptDigests
    rollbacks: Rollbacks
    prunes: Prunes
    cycles: CycleLog
    quiet_looks: QuietLookLog
    samples: Samples
    manual_pauses: ManualPauses
    freezes: Freezes
    foreign: ForeignTags
    look_requests: LookRequests
    actions: Actions
    notices: Notices
    signatures: SignatureLog
    database: Database

    def locks(self) -> Locks:
        """Which of this machine's processes exist, and which ended without releasing their lock."""
        return locks(self.database)


@asynccontextmanager
async def open_record(settings: Settings, *, create: bool = False) -> AsyncIterator[Record]:
    """Open the state database for a process that claims nothing. Raises ConfigurationError, StoreError.

    Raises NoDatabase if there is none, unless `create`.
    """
    async with database_of(settings, create=create) as database:
        yield record_of(database, settings, owner=None)


@asynccontextmanager
async def database_of(settings: Settings, *, create: bool) -> AsyncIterator[Database]:
    """Open the state database, and close it at the end. Raises as `open_record` does."""
    database = await open_database(settings.database_url.get_secret_value(), create=create)
    try:
        yield database
    finally:
        await database.close()


@asynccontextmanager
async def database_or_temporary(settings: Settings) -> AsyncIterator[Database]:
    """Open the state database; if there is none, an empty temporary one: read-only commands must not create one."""
    async with AsyncExitStack() as stack:
        try:
            database = await stack.enter_async_context(database_of(settings, create=False))
        except NoDatabase:
            folder = stack.enter_context(TemporaryDirectory(prefix="ferryman-"))
            database = await open_database(f"sqlite+aiosqlite:///{folder}/ferryman.db")
            stack.push_async_callback(database.close)
        yield database


def record_of(database: Database, settings: Settings, *, owner: str | None) -> Record:
    """The interfaces of an open database. `owner`: of the leases of this process; None: it claims nothing."""
    clock = SystemClock()
    queue = Queue(
        database,
        owner=owner,
        clock=clock,
        lease=settings.lease,
        max_attempts=settings.max_attempts,
        longest_wait=retry.longest_wait(settings.retry_delay),
    )
    return Record(
        name=database.name,
        queue=queue,
        ledger=Ledger(database, clock=clock),
        services=Services(database, clock=clock),
        images=EngineImages(database, clock=clock),
        blobs=TargetBlobs(database, clock=clock),
        targets=TargetChecks(database, clock=clock, queued=queue.filled),
        verifications=Verifications(database, clock=clock),
        kept=KeptDigests(database, clock=clock),
        rollbacks=Rollbacks(database, clock=clock, queued=queue.filled),
        prunes=Prunes(database, clock=clock),
        cycles=CycleLog(database),
        quiet_looks=QuietLookLog(database, clock=clock),
        samples=Samples(database),
        manual_pauses=ManualPauses(database, clock=clock, resumed=queue.filled),
        freezes=Freezes(database, clock=clock, released=queue.filled),
        foreign=ForeignTags(database, clock=clock),
        look_requests=LookRequests(database, clock=clock),
        actions=Actions(database, clock=clock),
        notices=Notices(database, clock=clock),
        signatures=SignatureLog(database, clock=clock),
        database=database,
    )
