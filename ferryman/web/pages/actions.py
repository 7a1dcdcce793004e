"""What persons do on the page: each calls the same operation as the command, and leads back with a notice."""

from collections.abc import Collection, Mapping, Sequence

from aiohttp import web

from ferryman.errors import TransferError
from ferryman.i18n.formats import number
from ferryman.i18n.texts import _, ngettext
from ferryman.item_names import Named
from ferryman.kinds import PauseScope, PruneBlock, Repair
from ferryman.operations.cancel import cancel_copy
from ferryman.operations.freezes import release_item
from ferryman.operations.login import try_login
from ferryman.operations.look import request_look
from ferryman.operations.pauses import pause_work, resume_work
from ferryman.operations.prune import PruneResult, block_or_doubt_of, prune, tags_of, unwanted_of
from ferryman.operations.requeue import Requeued, requeue_tags
from ferryman.operations.rollback import put_back
from ferryman.operations.subjects import registries_of
from ferryman.operations.tag_history import keep_tag, release_tag, tag_history
from ferryman.operations.verify import request_verification
from ferryman.pruning.outlook import Outlook
from ferryman.views.prune_table import block_in_words, refusal_in_words
from ferryman.web.confirmation import ask, is_confirmed
from ferryman.web.context import context
from ferryman.web.named_items import all_items, item_named
from ferryman.web.refusals import Refused
from ferryman.web.requeue_forms import count, read_choice
from ferryman.web.routing import Route, own_path, redirect, url
from ferryman.web.security.gate import GATE, LoginNeeded, actor

_REPAIRS: tuple[Repair, ...] = ("missing", "all")
_LONGEST_NOTE = 200  # characters
_NAMED = 5  # tags in a question


async def _requeue(request: web.Request) -> web.StreamResponse:
    choice = await read_choice(request, await _fields(request))
    record = context(request).record
    if not await is_confirmed(request) and choice.tag is None:
        tags = await count(record, choice)
        if tags:
            return await ask(request, question=choice.question(tags), verb=_("Queue again"), back=await _back(request))
    result = await requeue_tags(
        record, choice.targets, tag=choice.tag, only_failed=choice.only_failed,
        among=choice.among, lifting=choice.lifting, detail=choice.detail, actor=_name(request),
    )  # fmt: skip
    return await _go_back(request, _requeued(result))


def _requeued(result: Requeued) -> str:
    sentences = [ngettext("%(n)s tag queued.", "%(n)s tags queued.", result.queued) % {"n": number(result.queued)}]
    if result.held:
        sentences.append(_("It is held: release it first."))
    if result.unreadable:
        text = ngettext(
            "%(n)s tag could not be read upstream: every look tries that again.",
            "%(n)s tags could not be read upstream: every look tries that again.",
            result.unreadable,
        )
        sentences.append(text % {"n": number(result.unreadable)})
    if result.frozen:
        sentences.append(_("An item of these is frozen, and nothing of it is copied."))
    elif result.paused:
        text = ngettext(
            "%(n)s tag waits, because a person has paused it.",
            "%(n)s tags wait, because a person has paused them.",
            result.paused,
        )
        sentences.append(text % {"n": number(result.paused)})
    return "\n".join(sentences)


async def _look(request: web.Request) -> web.StreamResponse:
    fields = await _fields(request)
    record, items = context(request).record, all_items(request)
    wanted = [item_named(request, fields["item"])] if fields.get("item") else items
    paused = await record.manual_pauses.read()
    going = [each for each in wanted if not paused.of_item(each.target, each.source)]
    if not going:
        return await _go_back(request, _("Nothing is looked at: it is paused. Resume it first."))
    targets = {each.target for each in going}
    result = await request_look(record, targets if len(going) < len(items) else None, actor=_name(request))
    if not result.scheduler:
        return await _go_back(request, _("No scheduler is running, so nobody would look. Start one first."))
    if not result.is_new:
        return await _go_back(request, _("A look is requested already, and begins in a moment."))
    text = ngettext("A look at %(n)s item is requested.", "A look at %(n)s items is requested.", len(going))
    return await _go_back(request, text % {"n": number(len(going))})


async def _verify(request: web.Request) -> web.StreamResponse:
    """Down to each blob: who asks wants to be sure."""
    fields = await _fields(request)
    item, record = item_named(request, fields.get("item", "")), context(request).record
    repair: Repair = next((each for each in _REPAIRS if each == fields.get("repair")), "nothing")
    if repair == "all" and not await is_confirmed(request):
        question = _("Copy again what is damaged, also what somebody else has overwritten at the target of %(item)s?")
        back = await _back(request)
        return await ask(request, question=question % {"item": item.name}, verb=_("Overwrite it"), back=back)
    is_new = await request_verification(record, [item.target], "contents", repair, actor=_name(request))
    if is_new is None:
        return await _go_back(request, _("No scheduler is running, so nobody would verify. Start one first."))
    text = _("The verification of %(item)s is requested.") if is_new else _("%(item)s is being verified already.")
    return await _go_back(request, text % {"item": item.name})


async def _pause(request: web.Request) -> web.StreamResponse:
    fields = await _fields(request)
    scope, name, shown = _pausable(request, fields)
    note = fields.get("note", "").strip()[:_LONGEST_NOTE] or None
    new = await pause_work(context(request).record, [(scope, name)], actor=_name(request), note=note)
    text = _("Paused: %(what)s. What is being copied goes on to its end.") if new else _("%(what)s is paused already.")
    return await _go_back(request, text % {"what": shown})


async def _resume(request: web.Request) -> web.StreamResponse:
    fields = await _fields(request)
    record = context(request).record
    paused = {each.name for each in (await record.manual_pauses.read()).all}
    scope, name, shown = _pausable(request, fields, paused)
    ended = await resume_work(record, [(scope, name)], actor=_name(request))
    text = _("Goes on: %(what)s.") if ended else _("%(what)s was not paused.")
    return await _go_back(request, text % {"what": shown})


def _pausable(
    request: web.Request, fields: Mapping[str, str], former: Collection[str] = ()
) -> tuple[PauseScope, str, str]:
    """What a form pauses: its scope, its name there, and its name for people. Raises Refused."""
    name = fields.get("name", "")
    match fields.get("scope"):
        case "all":
            return "all", "", _("everything")
        case "item" if name in former and name not in {each.target for each in all_items(request)}:
            return "item", name, name
        case "item":
            item = item_named(request, name)
            return "item", item.target, item.name
        case "registry" if name in former or name in registries_of(all_items(request)):
            return "registry", name, name
    raise Refused(404, _("There is nothing of this name to pause or resume."))


async def _cancel(request: web.Request) -> web.StreamResponse:
    fields = await _fields(request)
    item, tag = item_named(request, fields.get("item", "")), fields.get("tag", "")
    name = f"{item.name}:{tag}"
    if not await is_confirmed(request):
        question = _("Stop the copy of %(tag)s? It is undone, and the next look tries the tag again.")
        return await ask(request, question=question % {"tag": name}, verb=_("Stop it"), back=await _back(request))
    done = await cancel_copy(context(request).record, item.target, tag, actor=_name(request))
    text = _("The copy of %(tag)s is stopped.") if done else _("%(tag)s is not being copied.")
    return await _go_back(request, text % {"tag": name})


async def _rollback(request: web.Request) -> web.StreamResponse:
    fields = await _fields(request)
    item, tag, digest = item_named(request, fields.get("item", "")), fields.get("tag", ""), fields.get("digest", "")
    name, here = f"{item.name}:{tag}", context(request)
    history = await tag_history(here.record, item.target, tag, here.clock.now())
    if history is None or digest not in {each.digest for each in history.named}:
        raise Refused(404, _("%(tag)s never named that.") % {"tag": name})
    if not await is_confirmed(request):
        question = _("Put %(tag)s back on %(digest)s? It stays so until you release it.")
        values = {"tag": name, "digest": digest}
        return await ask(request, question=question % values, verb=_("Put it back"), back=await _back(request))
    try:
        done = await put_back(here.application, history, digest, actor=_name(request))
    except TransferError as error:
        return await _go_back(request, _("%(tag)s was not put back: %(error)s") % {"tag": name, "error": error})
    texts = {
        None: _("%(tag)s is put back, and stays so until you release it."),
        "running": _("%(tag)s is being copied: stop the copy first."),
        "rolling back": _("%(tag)s is being put back already."),
        "never mirrored": _("%(tag)s was never mirrored."),
    }
    return await _go_back(request, texts[done.refusal] % {"tag": name})


async def _release(request: web.Request) -> web.StreamResponse:
    fields = await _fields(request)
    item, tag = item_named(request, fields.get("item", "")), fields.get("tag", "")
    if not tag:
        return await _release_item(request, item)
    released = await release_tag(context(request).record, item.target, tag, actor=_name(request))
    text = _("%(tag)s is released: what upstream has now is copied.") if released else _("%(tag)s is not held.")
    return await _go_back(request, text % {"tag": f"{item.name}:{tag}"})


async def _release_item(request: web.Request, item: Named) -> web.StreamResponse:
    if not await is_confirmed(request):
        question = _("Accept what upstream of %(item)s has now? What it has lost stays at the target, marked as gone.")
        back = await _back(request)
        return await ask(request, question=question % {"item": item.name}, verb=_("Accept it"), back=back)
    released = await release_item(context(request).record, item.target, actor=_name(request))
    text = (
        _("%(item)s is released: the next look takes what upstream has.") if released else _("%(item)s is not frozen.")
    )
    return await _go_back(request, text % {"item": item.name})


async def _keep(request: web.Request) -> web.StreamResponse:
    fields = await _fields(request)
    item, tag = item_named(request, fields.get("item", "")), fields.get("tag", "")
    kept = await keep_tag(context(request).record, item.target, tag, actor=_name(request))
    text = _("%(tag)s stays as it is, until upstream changes it again.") if kept else _("%(tag)s is not held.")
    return await _go_back(request, text % {"tag": f"{item.name}:{tag}"})


async def _prune(request: web.Request) -> web.StreamResponse:
    app, named = context(request).application, item_named(request, (await _fields(request)).get("item", ""))
    items = [each for each in app.configuration.items if str(each.target) == named.target]
    if not await is_confirmed(request):
        [outlook] = await unwanted_of(app, items)
        if tags := [each.tag for each in tags_of(outlook) if each.now]:
            verb = ngettext("Remove %(n)s tag", "Remove %(n)s tags", len(tags)) % {"n": number(len(tags))}
            return await ask(request, question=_removal(named, tags), verb=verb, back=await _back(request))
        if (block := block_or_doubt_of(outlook)) is None:
            return await _go_back(request, _("Nothing of %(item)s is to go now.") % {"item": named.name})
        return await _go_back(request, _blocked(block, outlook))
    [result] = await prune(app, items, actor=_name(request))
    return await _go_back(request, _pruned(result))


def _removal(item: Named, tags: Sequence[str]) -> str:
    text = ngettext(
        "Remove %(n)s tag of %(item)s from its target? %(names)s",
        "Remove %(n)s tags of %(item)s from its target? %(names)s",
        len(tags),
    )
    names = ", ".join(tags[:_NAMED]) + (", …" if tags[_NAMED:] else "")
    return text % {"n": number(len(tags)), "item": item.name, "names": names}


def _pruned(result: PruneResult) -> str:
    done = result.done
    sentences = [ngettext("%(n)s tag removed.", "%(n)s tags removed.", done.removed) % {"n": number(done.removed)}]
    if (block := block_or_doubt_of(result.outlook)) is not None:
        sentences = [_blocked(block, result.outlook)]
    if done.error is not None:
        sentences.append(_("Then the target failed: %(error)s") % {"error": done.error})
    elif done.refusal is not None:
        sentences.append(_("The others stay: %(why)s") % {"why": _(refusal_in_words(done.refusal)).replace("`", "")})
    elif done.stayed:
        text = ngettext("%(n)s tag stays: see the log.", "%(n)s tags stay: see the log.", done.stayed)
        sentences.append(text % {"n": number(done.stayed)})
    return "\n".join(sentences)


def _blocked(block: PruneBlock, outlook: Outlook) -> str:
    why = f": {outlook.unlisted}" if block == "unlisted" else ""
    return _("Nothing is removed:") + " " + _(block_in_words(block)).replace("`", "") + why


async def _try_login(request: web.Request) -> web.StreamResponse:
    registry = (await _fields(request)).get("registry", "")
    if registry not in registries_of(all_items(request)):
        raise Refused(404, _("No item has its source or its target at this registry."))
    result = await try_login(context(request).application, registry, actor=_name(request))
    text = _("%(registry)s accepts the login.") if result.accepted else _("%(registry)s: %(error)s")
    sentences = [text % {"registry": registry, "error": result.message}]
    if result.resumed:
        sentences.append(_("What waited for it goes on."))
    return await _go_back(request, "\n".join(sentences))


async def _fields(request: web.Request) -> dict[str, str]:
    return {name: value for name, value in (await request.post()).items() if isinstance(value, str)}


def _name(request: web.Request) -> str:
    """Who acts, for the audit log."""
    if (who := actor(request)) is None:
        raise LoginNeeded
    return who.name


async def _back(request: web.Request) -> str:
    return own_path((await _fields(request)).get("next", "")) or url(request, "/")


async def _go_back(request: web.Request, notice: str) -> web.Response:
    response = redirect(await _back(request))
    request.app[GATE].leave_notice(request, response, notice)
    return response


ROUTES = (
    Route("POST", "/actions/requeue", _requeue, needs="act"),
    Route("POST", "/actions/look", _look, needs="act"),
    Route("POST", "/actions/verify", _verify, needs="act"),
    Route("POST", "/actions/pause", _pause, needs="act"),
    Route("POST", "/actions/resume", _resume, needs="act"),
    Route("POST", "/actions/cancel", _cancel, needs="act"),
    Route("POST", "/actions/rollback", _rollback, needs="act"),
    Route("POST", "/actions/release", _release, needs="act"),
    Route("POST", "/actions/keep", _keep, needs="act"),
    Route("POST", "/actions/prune", _prune, needs="act"),
    Route("POST", "/actions/try-login", _try_login, needs="act"),
)
