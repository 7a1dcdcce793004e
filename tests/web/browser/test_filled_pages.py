"""The pages of a Ferryman that has worked for months, for everybody: in both themes and languages, and on a phone."""

from collections.abc import Callable

import pytest
from playwright.async_api import expect

from ferryman.signature_findings import Finding, Signer
from tests.examples.page_state import SHOWN_TAG
from tests.support.browser import DESKTOP, PHONE, Theme
from tests.support.upstreams import NOON, made_up_digest
from tests.web.browser.conftest import OpenTab
from tests.web.support import Site

pytestmark = pytest.mark.asyncio(loop_scope="session")
PATHS = ("/", "/items/etcd?status=synced", f"/items/etcd/tags/{SHOWN_TAG}", "/items/ectd")
LOOKS = [(DESKTOP, "dark", "en"), (PHONE, "light", "zh-CN"), (PHONE, "dark", "en"), (DESKTOP, "light", "zh-CN")]


async def sign(site: Site) -> None:
    """Somebody has signed the tag's digest, and nobody another one; with names as long as they come."""
    record = await site.app.record.ledger.tag("registry.example.com/mirror/etcd", SHOWN_TAG)
    assert record is not None
    identity = "https://github.com/etcd-io/etcd/.github/workflows/release.yaml@refs/tags/v3.6.5"
    signers = (
        Signer(f"SHA256:{'0123456789abcdef' * 4}", "keys/etcd/cosign.pub", "cosign"),
        Signer(identity, "https://token.actions.githubusercontent.com", "bundle", NOON),
    )
    findings = (
        Finding("verified", made_up_digest("signed"), signers),
        Finding("missing", made_up_digest("unsigned"), detail="is not signed, as far as its registry shows"),
        Finding("refused", made_up_digest("forged"), detail="no signature fits: it was not made with this key"),
    )
    for finding in findings:
        await site.app.record.signatures.record(record.id, finding)


@pytest.mark.parametrize(("width", "theme", "language"), LOOKS)
async def test_they_are_usable_by_everybody(
    filled_site: Site, visit: Callable[[Site], OpenTab], width: int, theme: Theme, language: str
) -> None:
    await sign(filled_site)
    async with visit(filled_site)(width=width, theme=theme, language=language) as tab:
        for path in PATHS:
            await tab.page.goto(path)
            assert await tab.serious_findings() == [], path
            assert await tab.what_is_too_wide() == [], path
        assert [each for each in tab.complaints if "404" not in each] == []


async def test_a_digest_is_copied_by_one_click(filled_site: Site, visit: Callable[[Site], OpenTab]) -> None:
    async with visit(filled_site)() as tab:
        await tab.page.goto(f"/items/etcd/tags/{SHOWN_TAG}")
        button = tab.page.get_by_role("button", name="Copy docker pull").first
        await button.click()
        await expect(button).to_have_attribute("data-copied", "yes")
        await expect(tab.page.locator("#announcement")).to_contain_text(
            f"docker pull registry.example.com/mirror/etcd:{SHOWN_TAG}"
        )


async def test_the_tags_are_filtered_without_scripts(filled_site: Site, visit: Callable[[Site], OpenTab]) -> None:
    async with visit(filled_site)(scripts=False) as tab:
        page = tab.page
        await page.goto("/")
        await page.get_by_role("link", name="actions-runner", exact=True).click()
        await page.get_by_label("Status").select_option("failed")
        await page.get_by_role("button", name="Show", exact=True).click()
        assert await page.locator("tbody tr").count() == 2
        assert "status=failed" in page.url
        await page.locator("tbody a").first.click()
        await expect(page.get_by_role("heading", level=1)).to_contain_text("actions-runner:")
        await expect(page.locator(".alert pre")).to_contain_text("403 Forbidden")
        await page.goto(f"/items/etcd/tags/{SHOWN_TAG}")
        await page.get_by_text("Show the platforms and their sizes").click()
        assert await page.get_by_role("link", name="Ask the target").is_visible()
