"""Build the application from the settings and items.yml: all objects are created and connected here."""

import os
import platform
from collections.abc import AsyncIterator, Callable, Collection, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from ferryman import __version__, event_log, log
from ferryman.clock import Clock, SystemClock
from ferryman.configuration import load_items
from ferryman.events import Events
from ferryman.items.model import Configuration, Item, RegistryEntry
from ferryman.kinds import Depth
from ferryman.kinds import Repair as RepairRule
from ferryman.platforms import Platform
from ferryman.pruning.outlook import Outlooks
from ferryman.pruning.pruner import Pruner
from ferryman.pruning.removal import Removal
from ferryman.pruning.target_contents import TargetContents
from ferryman.record import Record, database_of, database_or_temporary, record_of
from ferryman.reference import Reference
from ferryman.registry.auth.credentials import Credential, CredentialStore
from ferryman.registry.client import RegistryClient
from ferryman.registry.limits.concurrency import ConcurrencyLimit
from ferryman.registry_pauses import RegistryPauses
from ferryman.rollback.expiry import Expiry
from ferryman.rollback.keeper import Keeper
from ferryman.rollback.putting_back import Rollback
from ferryman.scheduler import Scheduler
from ferryman.settings import Settings
from ferryman.store.queue.lease_owners import Owner
from ferryman.transports.base import Overwriting
from ferryman.transports.choice import TransportSelector
from ferryman.transports.engine.address import EngineAddress
from ferryman.verification.examination import Examination
from ferryman.verification.repair import Repair
from ferryman.verification.routine import Routine
from ferryman.verification.run import Run
from ferryman.verification.verifier import Verifier
from ferryman.worker import RetryPolicy, Worker
from ferryman.worker_pool import EngineShare, WorkerPool

if TYPE_CHECKING:
    from ferryman.notify.heartbeat import Heartbeat
    from ferryman.notify.messenger import Messenger
    from ferryman.signatures.verifier import SignatureVerifier
    from ferryman.transports.direct.transport import DirectTransport
    from ferryman.transports.engine.transport import DockerTransport

_MOST_COPIES = 32  # at once from registry to registry, in one process
_ENGINE_COPIES = 4  # at once through an engine: it unpacks and compresses on the disk and cores of one machine
_ATTEMPTS_KEPT = timedelta(days=30)  # retention of attempts
_ACTIONS_KEPT = timedelta(days=366)  # retention of the audit log
_CYCLES_KEPT = timedelta(days=365)
_SAMPLES_KEPT = timedelta(days=35)
_SILENT_SERVICES_KEPT = timedelta(days=1)  # retention of processes without a heartbeat


@dataclass(slots=True)
class Application:
    """All parts of a running Ferryman."""

    settings: Settings
    configuration: Configuration
    clock: Clock
    events: Events
    owner: Owner
    record: Record
    registry: RegistryClient
    pauses: RegistryPauses
    transport: TransportSelector
    keeper: Keeper
    contents: TargetContents
    signatures: "SignatureVerifier | None" = None  # for this process's copies; None: no item asks for any
    window: ConcurrencyLimit | None = None  # of this process's copies; None: it has no pool

    @property
    def copies_limit(self) -> int | None:
        """How many copies this process allows itself at once now; None: it has no pool."""
        return self.window.limit if self.window else None

    def scheduler(self) -> Scheduler:
        """Create the half that looks up sources and enqueues tags."""
        return Scheduler(
            queue=self.record.queue,
            ledger=self.record.ledger,
            cycles=self.record.cycles,
            owner=self.owner.name,
            registry=self.registry,
            pauses=self.pauses,
            quiet_looks=self.record.quiet_looks,
            manual_pauses=self.record.manual_pauses,
            freezes=self.record.freezes,
            routine=self.routine(),
            clock=self.clock,
            native=self.transport.native or _native_platform(),
            complete_walk=self.settings.complete_walk,
            interval=self.settings.interval.length(self.clock.now()),
            signatures=self.record.signatures,
            events=self.events,
        )

    def verifier(self) -> Verifier:
        """Create what compares the record with the targets."""

        def keeping(target: Reference) -> Overwriting:
            # Nobody holds the tag's lease meanwhile: no other tag is trusted to hold what it names.
            return self.keeper.overwriting(target, alone=True)

        repair = Repair(
            blobs=self.record.blobs, registry=self.registry, copy=self.transport.copy_within, keeping=keeping
        )
        return Verifier(targets=self.record.targets, repair=repair)

    def rollback(self) -> Rollback:
        """Create what puts tags back on what they named before."""
        return Rollback(
            rollbacks=self.record.rollbacks, keeper=self.keeper, registry=self.registry, clock=self.clock,
            owner=self.owner.name,
        )  # fmt: skip

    def pruner(self) -> Pruner:
        """Create what removes from the targets what the rules no longer want."""
        record, native = self.record, self.transport.native or _native_platform()
        removal = Removal(
            prunes=record.prunes, blobs=record.blobs, registry=self.registry,
            keeping=lambda tag: self.keeper.overwriting(tag, alone=True),
        )  # fmt: skip
        outlooks = Outlooks(
            prunes=record.prunes, ledger=record.ledger, targets=record.targets, kept=record.kept, blobs=record.blobs,
            freezes=record.freezes, foreign=record.foreign, contents=self.contents, registry=self.registry,
            native=native,
        )  # fmt: skip
        return Pruner(
            outlooks=outlooks, removal=removal, prunes=record.prunes, ledger=record.ledger, blobs=record.blobs,
            clock=self.clock, owner=self.owner.name, events=self.events,
            interval=lambda: self.settings.interval.length(self.clock.now()),
        )  # fmt: skip

    async def settle_targets(self) -> None:
        """Finish rollbacks and removals that were interrupted; remove the tags of digests that were kept long enough.

        Call it before each cycle. Raises StoreError.
        """
        may_ask, locks = await self._askable(), self.record.locks().held
        await self.rollback().finish(locks, may_ask)
        await self.pruner().finish(locks, may_ask)
        expiry = Expiry(keeper=self.keeper, kept=self.record.kept, registry=self.registry, clock=self.clock)
        await expiry.run(may_ask)

    async def prune(self, items: Sequence[Item]) -> None:
        """Mark and remove what these items' rules no longer want. Call it after each cycle. Raises StoreError."""
        may_ask = await self._askable()
        await self.pruner().run(items, lambda item: may_ask(str(item.target)))

    async def _askable(self) -> Callable[[str], bool]:
        """Whether a target is not paused."""
        paused = await self.record.manual_pauses.read()
        refused = {each.registry for each in await self.record.queue.paused_registries()}

        def may_ask(target: str) -> bool:
            return paused.of_item(target, target) is None and target.partition("/")[0] not in refused

        return may_ask

    def routine(self) -> Routine:
        """Create what verifies a few tags at every look."""
        return Routine(self.verifier(), targets=self.record.targets, registry=self.registry, clock=self.clock)

    def verification(self, depth: Depth, repair: RepairRule, *, actor: str, by_service: bool = False) -> Run:
        """Create what verifies whole items. `by_service`: at somebody's request."""
        return Run(
            self.verifier(),
            Examination(self.registry, depth),
            repair,
            checks=self.record.targets,
            runs=self.record.verifications,
            check_pause=self.pauses.check,
            clock=self.clock,
            actor=actor,
            by_service=by_service,
        )

    def pool(self, *, targets: Collection[str] | None = None) -> WorkerPool:
        """Create the half that claims and copies tags, for these targets (None: for all)."""
        worker = Worker(
            queue=self.record.queue,
            transport=self.transport,
            registry=self.registry,
            pauses=self.pauses,
            keeping=self.keeper.overwriting,
            clock=self.clock,
            policy=RetryPolicy(max_attempts=self.settings.max_attempts, delay=self.settings.retry_delay),
            events=self.events,
            verifier=lambda: self.signatures,
            signatures=self.record.signatures,
        )
        size = self.settings.workers or _MOST_COPIES
        self.window = ConcurrencyLimit(size)
        return WorkerPool(
            worker,
            queue=self.record.queue,
            clock=self.clock,
            size=size,
            lease=self.settings.lease,
            owner=self.owner,
            targets=targets,
            registries=lambda: {
                item.source.registry
                for item in self.configuration.items
                if targets is None or str(item.target) in targets
            },
            window=self.window,
            engine=EngineShare(
                self.settings.workers or _ENGINE_COPIES,
                targets=lambda: self.transport.engine_targets,
                others=lambda: self.transport.direct_targets,
            ),
        )

    def messenger(self) -> "Messenger":
        """Create what tells people, by the URLs of `notify:` as it is then."""
        # Here, because `sync` does without: it brings the languages, and with them babel.
        from ferryman.notify import sending  # noqa: PLC0415
        from ferryman.notify.evaluation import Evaluation  # noqa: PLC0415
        from ferryman.notify.messenger import Messenger  # noqa: PLC0415
        from ferryman.store.conditions import Conditions  # noqa: PLC0415

        database = self.record.database
        return Messenger(
            notices=self.record.notices,
            evaluation=Evaluation(
                Conditions(database), interval=self.settings.interval, file=database.file, clock=self.clock
            ),
            configuration=lambda: self.configuration,
            variable=self.settings.notify,
            page=self.settings.url,
            send=sending.send,
            clock=self.clock,
        )

    def cycle_calls(self) -> "Heartbeat":
        """Create what calls the URL of `heartbeat:` after every cycle."""
        from ferryman.notify.heartbeat import Heartbeat  # noqa: PLC0415 - `sync` does without

        agent = f"ferryman/{__version__}"
        heartbeat = Heartbeat(url=lambda: self.configuration.heartbeat, user_agent=agent, clock=self.clock)
        self.events.subscribe(heartbeat.observe)
        return heartbeat

    def signatures_of(self, configuration: Configuration) -> "SignatureVerifier | None":
        """Create what verifies signatures before a copy; None: no item asks for any. Raises ConfigurationError."""
        rules = {item.target: item.signatures for item in configuration.items if item.signatures is not None}
        if not rules:
            return None
        from ferryman.signatures.verifier import SignatureVerifier  # noqa: PLC0415 - most do without

        def native() -> Platform:
            return self.transport.native or _native_platform()

        return SignatureVerifier(rules, client=self.registry, clock=self.clock, native=native)

    async def withdraw_former_items(self) -> None:
        """Take the tags of former items out of the queue: nothing may be pushed to targets that were removed.

        Raises StoreError.
        """
        await self.record.queue.withdraw_items({str(item.target) for item in self.configuration.items})

    async def remove_old_records(self) -> None:
        """Delete old records, so that the database does not grow for ever; call it once a cycle. Raises StoreError."""
        now = self.clock.now()
        await self.record.ledger.forget_attempts(now - _ATTEMPTS_KEPT)
        await self.record.services.forget(now - _SILENT_SERVICES_KEPT, existing=self.record.locks().held)
        await self.record.cycles.forget(now - _CYCLES_KEPT)
        await self.record.samples.forget(now - _SAMPLES_KEPT)
        await self.record.actions.forget(now - _ACTIONS_KEPT)
        targets = {(item.target.registry, item.target.name) for item in self.configuration.items}
        await self.record.blobs.forget_repositories(but=targets)
        await self.record.blobs.forget_unused()
        await self.record.verifications.forget_items(but={str(item.target) for item in self.configuration.items})

    def reload(self) -> None:
        """Read items.yml again. Raises ConfigurationError, and changes nothing then."""
        configuration = load_items(self.settings)
        signatures = self.signatures_of(configuration)
        self.registry.configure(
            hosts=configuration.registries,
            credentials=_credentials(self.settings, configuration, clock=self.clock),
            bandwidth=configuration.bandwidth,
        )
        _configure(self.transport, self.keeper, configuration, self.settings)
        self.configuration, self.signatures = configuration, signatures


@asynccontextmanager
async def open_application(settings: Settings, *, engine: bool, create: bool = True) -> AsyncIterator[Application]:
    """Build the application; with `engine`, connect to the Docker Engine, if the settings need it.

    Without `create`, a missing state database is not created, and counts as empty. Raises FerrymanError.
    """
    configuration = load_items(settings)
    clock, events = SystemClock(), Events()
    events.subscribe(event_log.write)
    async with AsyncExitStack() as stack:
        opening = database_of(settings, create=True) if create else database_or_temporary(settings)
        database = await stack.enter_async_context(opening)
        owner = Owner.claim(database)
        stack.callback(owner.release)
        record = record_of(database, settings, owner=owner.name)
        registry = RegistryClient(
            hosts=configuration.registries,
            credentials=_credentials(settings, configuration, clock=clock),
            clock=clock,
            bandwidth=configuration.bandwidth,
            user_agent=f"ferryman/{__version__}",
            events=events,
        )
        stack.push_async_callback(registry.aclose)
        transport = _transport(settings, record, registry, clock=clock)
        keeper = Keeper(kept=record.kept, registry=registry)
        _configure(transport, keeper, configuration, settings)
        stack.push_async_callback(transport.aclose)
        if engine:
            log.get().info("transports_ready", message="tags are copied", how=await transport.connect())
        pauses = RegistryPauses(queue=record.queue, registry=registry, clock=clock, events=events)
        app = Application(
            settings, configuration, clock, events, owner, record, registry, pauses, transport, keeper,
            TargetContents(registry),
        )  # fmt: skip
        if engine:
            app.signatures = app.signatures_of(configuration)
            await app.withdraw_former_items()  # before anything is claimed
        yield app


def _transport(settings: Settings, record: Record, registry: RegistryClient, *, clock: Clock) -> TransportSelector:
    address = EngineAddress.of(os.environ)

    # Imported where they are made: copying needs much more than finding out that there is nothing to copy.
    def docker() -> "DockerTransport":
        from ferryman.transports.engine.transport import DockerTransport  # noqa: PLC0415

        return DockerTransport(
            address=address,
            registry=registry,
            images=record.images,
            cache_limit=settings.cache_limit,
            clock=clock,
        )

    def direct() -> "DirectTransport":
        from ferryman.transports.direct.transport import DirectTransport  # noqa: PLC0415

        return DirectTransport(registry=registry, blobs=record.blobs, native=_native_platform(), clock=clock)

    return TransportSelector(docker=docker, direct=direct)


def _configure(transport: TransportSelector, keeper: Keeper, configuration: Configuration, settings: Settings) -> None:
    keeper.configure({str(item.target): item.history for item in configuration.items})
    transport.configure(
        default=settings.transport,
        by_target={item.target: item.transport or settings.transport for item in configuration.items},
        with_referrers=frozenset(item.target for item in configuration.items if item.rules.referrers),
        with_everything=frozenset(
            item.target for item in configuration.items if item.platforms and item.platforms.keyword == "all"
        ),
    )


def _native_platform() -> Platform:
    return Platform.of("linux", platform.machine())


def _credentials(settings: Settings, configuration: Configuration, *, clock: Clock) -> CredentialStore:
    """Credentials from `registries:`, then TARGET_USER and TARGET_PASSWORD (targets only), then Docker's own files."""
    target_default = None
    if settings.target_user and settings.target_password:
        target_default = Credential(settings.target_user, settings.target_password.get_secret_value())
    return CredentialStore(
        explicit={
            host: credential
            for host, entry in configuration.registries.items()
            if (credential := _credential_of(entry)) is not None
        },
        clock=clock,
        environment=os.environ,
        targets=frozenset(item.target.registry for item in configuration.items),
        target_default=target_default,
    )


def _credential_of(entry: RegistryEntry) -> Credential | None:
    if entry.username is None or entry.password is None:
        return None
    return Credential(entry.username, entry.password)
