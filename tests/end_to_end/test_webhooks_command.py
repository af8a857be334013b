"""``drape webhooks``: added with a secret that is shown once, listed, removed."""

from __future__ import annotations

from catalog.bootstrap import Application
from catalog.settings import Settings


def test_webhooks_are_added_listed_and_removed(drape):
    with Application(Settings(home=drape.home)) as application:
        with application.unit_of_work() as work:
            work.merchants.ensure("atelier")
            work.commit()
        assert "No webhooks yet" in drape.run_here("webhooks", "list").out
        inside = drape.run_here("webhooks", "add", "-m", "atelier", "--url", "https://127.0.0.1/hook")
        assert (inside.code, "not on the public internet" in inside.err) == (2, True)
        # By number: no name server is asked.
        added = drape.run_here("webhooks", "add", "-m", "atelier", "--url", "https://93.184.215.14/hook")
        secret, told = added.out.removesuffix("\n"), added.err.removesuffix("\n")
        assert (added.code, secret[:6]) == (0, "whsec_")
        assert told == "Webhook 1 of atelier is signed with it. It is not shown again."
        listed = drape.run_here("webhooks", "list")
        assert "https://93.184.215.14/hook" in listed.out
        assert "nothing yet" in listed.out
        (webhook,) = drape.run("webhooks", "list", "--json").json
        assert (webhook["merchant"], webhook["deliveries"]) == ("atelier", [])
        assert secret not in listed.out + str(webhook)
        assert drape.run_here("webhooks", "remove", "1").out == "Webhook 1 is told no more.\n"
        again = drape.run_here("webhooks", "remove", "1")
        assert (again.code, "No such webhook" in again.err) == (1, True)
