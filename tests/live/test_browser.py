"""The admin site in a real browser: what administrators do, each with a picture under var/screenshots that a person can look at."""

import os
import re
import shutil
from collections.abc import Iterator

import pyotp
import pytest
from playwright.sync_api import Page, expect, sync_playwright

from tests import public_keys
from tests.live.service import ROOT, Service

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
PICTURES = ROOT / "var" / "screenshots"
SECRET = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"
PASSWORD = "correct horse battery"
PATIENCE = 300_000
"""Milliseconds after which a page that does not come has hung; Playwright's own 5 and 30 s are not enough on a busy machine."""

pytestmark = [
    pytest.mark.live,
    pytest.mark.skipif(CHROMIUM is None and "CI" not in os.environ, reason="no Chromium is installed here; CI installs it"),
]


@pytest.fixture(scope="module")
def company(service: Service) -> Service:
    """An administrator with a second factor, and something to look at."""
    service.seed(
        {
            "users": [
                {"username": "boss", "admin": True, "password": PASSWORD, "two_factor_secret": SECRET},
                {"username": "judy", "name": "Judy", "keys": [{"title": "judy's laptop", "key": public_keys.ED25519}]},
            ],
            "groups": [{"path": "rockets", "members": {"judy": "developer"}, "saml": {}, "scim_token": {}}],
            "projects": [{"path": "rockets/engines", "protected_branches": [{"name": "main", "push": ["maintainer"]}]}],
        }
    )
    return service


@pytest.fixture(scope="module")
def page(company: Service) -> Iterator[Page]:
    """A browser in which the administrator has signed in."""
    PICTURES.mkdir(parents=True, exist_ok=True)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-dev-shm-usage"])
        expect.set_options(timeout=PATIENCE)
        page = browser.new_page(base_url=company.url, viewport={"width": 1200, "height": 800})
        page.set_default_timeout(PATIENCE)
        page.goto("/admin/")
        page.fill("#id_username", "boss")
        page.fill("#id_password", PASSWORD)
        page.fill("#id_code", pyotp.TOTP(SECRET).now())
        _picture(page, "sign-in")
        page.click("input[type=submit]")
        expect(page.locator(".panels")).to_be_visible()
        yield page
        browser.close()


def _picture(page: Page, name: str) -> None:
    page.screenshot(path=PICTURES / f"{name}.png")


def test_the_front_page_on_a_desk_and_on_a_telephone_in_the_dark(page: Page) -> None:
    page.goto("/admin/")
    expect(page.get_by_text("Shared store")).to_be_visible()
    _picture(page, "front-page")
    page.set_viewport_size({"width": 390, "height": 844})
    page.emulate_media(color_scheme="dark")
    page.goto("/admin/")
    _picture(page, "front-page-telephone-dark")
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    page.emulate_media(color_scheme="light")
    page.set_viewport_size({"width": 1200, "height": 800})


def test_no_script_of_anybody_elses_runs_and_none_of_ours_is_stopped(page: Page) -> None:
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
    for address in ("/admin/", "/admin/accounts/user/", "/admin/storage_limits/limitexclusion/add/", "/admin/repositories/project/access/"):
        page.goto(address)
    assert complaints == []


def test_an_exclusion_is_added_and_removed(page: Page) -> None:
    """The namespace is picked by typing a part of its path."""
    page.goto("/admin/storage_limits/limitexclusion/add/")
    page.click(".select2-selection")
    page.fill(".select2-search__field", "rock")
    page.locator(".select2-results__option", has_text="rockets").first.click()
    page.fill("#id_reason", "for testing reasons")
    _picture(page, "exclusion-add")
    page.click("input[name=_save]")
    row = page.locator("#result_list tbody tr", has_text="for testing reasons")
    expect(row).to_have_count(1)
    row.locator("th a").click()
    page.click(".deletelink")
    page.click("input[type=submit]")
    expect(page.locator("#result_list tbody tr", has_text="for testing reasons")).to_have_count(0)
    _picture(page, "exclusion-removed")


def test_a_user_is_found_by_pasting_a_key(page: Page) -> None:
    page.goto("/admin/accounts/sshkey/")
    page.fill("#searchbar", public_keys.ED25519)
    page.press("#searchbar", "Enter")
    row = page.locator("#result_list tbody tr")
    expect(row).to_have_count(1)
    expect(row).to_contain_text("judy")
    _picture(page, "key-search")


def test_may_this_key_push_that_ref(page: Page) -> None:
    page.goto("/admin/repositories/project/access/")
    page.fill("#id_key", public_keys.ED25519)
    page.fill("#id_project", "rockets/engines")
    page.fill("#id_ref", "refs/heads/main")
    page.click("input[name=ask]")
    expect(page.locator("#verdict")).to_contain_text("denied")
    _picture(page, "may-they-push")
    page.fill("#id_ref", "refs/heads/topic")
    page.click("input[name=ask]")
    expect(page.locator("#verdict")).to_have_text("allowed")


def test_a_token_is_rotated_and_shown_once(page: Page) -> None:
    page.goto("/admin/scim/scimtoken/")
    page.check("#result_list tbody tr:has-text('rockets') input.action-select")
    page.select_option("select[name=action]", "rotate")
    page.click("button[name=index]")
    shown = page.locator(".messagelist").inner_text()
    assert re.search(r"glsoat-[\w-]{40,}", shown)
    page.goto("/admin/scim/scimtoken/")
    _picture(page, "token-rotated")
    assert "glsoat-" not in page.content()
