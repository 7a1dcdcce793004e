"""Makes what verifies targets, as the application does, but from registry to registry alone."""

from ferryman.clock import Clock
from ferryman.reference import Reference
from ferryman.registry.client import RegistryClient
from ferryman.rollback.keeper import Keeper
from ferryman.store.database.database import Database
from ferryman.store.kept_digests import KeptDigests
from ferryman.store.target_blobs import TargetBlobs
from ferryman.store.target_checks import TargetChecks
from ferryman.transports.base import Copied
from ferryman.transports.choice import TransportSelector
from ferryman.transports.direct.transport import DirectTransport
from ferryman.transports.engine.transport import DockerTransport
from ferryman.verification.repair import Repair
from ferryman.verification.routine import Routine
from ferryman.verification.verifier import Verifier
from tests.support.transports import NATIVE


def verifier_of(client: RegistryClient, database: Database, targets: TargetChecks, clock: Clock) -> Verifier:
    """What compares the record with the targets."""
    blobs = TargetBlobs(database, clock=clock)
    keeper = Keeper(kept=KeptDigests(database, clock=clock), registry=client)

    async def copy(source: Reference, target: Reference) -> Copied:
        def direct() -> DirectTransport:
            return DirectTransport(registry=client, blobs=blobs, native=NATIVE, clock=clock)

        return await TransportSelector(docker=_no_engine, direct=direct).copy_within(source, target)

    repair = Repair(blobs=blobs, registry=client, copy=copy, keeping=keeper.overwriting)
    return Verifier(targets=targets, repair=repair)


def routine_of(client: RegistryClient, database: Database, targets: TargetChecks, clock: Clock) -> Routine:
    """What verifies a few tags at every look."""
    return Routine(verifier_of(client, database, targets, clock), targets=targets, registry=client, clock=clock)


def _no_engine() -> DockerTransport:
    raise AssertionError("no engine is used")
