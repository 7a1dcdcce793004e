"""Try a registry's login now."""

from dataclasses import dataclass

from ferryman.application import Application
from ferryman.errors import TransferError
from ferryman.store.records import Intent


@dataclass(frozen=True, slots=True)
class LoginTried:
    """What a registry answered to a login."""

    accepted: bool
    message: str  # the registry's answer in words, or the error
    resumed: bool = False  # it was paused because of its login, and goes on


async def try_login(app: Application, registry: str, *, actor: str) -> LoginTried:
    """Log in to the registry, and resume it if it was paused and accepts the login. Raises StoreError."""
    app.registry.forget_refusals(registry)
    try:
        message = await app.registry.log_in(registry)
    except TransferError as error:
        await app.record.actions.note(Intent(actor, "try-login", registry, "refused, or no answer"))
        return LoginTried(accepted=False, message=str(error))
    resumed = await app.pauses.resume_if_accepted(registry, actor=actor)
    if not resumed:  # otherwise it is noted together with the end of the pause
        await app.record.actions.note(Intent(actor, "try-login", registry, "accepted"))
    return LoginTried(accepted=True, message=message, resumed=resumed)
