"""Feeds handed over by HTTP: noted at once, taken as jobs, and never a file of this machine read for them."""

from __future__ import annotations

import asyncio
import errno
import io
import json
import os
import stat
import tempfile
import threading
import zipfile
from collections.abc import AsyncIterator, Iterator

import httpx
import pytest
from sqlalchemy import text

from catalog.errors import DatabaseUnavailable, ImageStoreUnavailable, IndexBusy, IngestRunning
from catalog.services.ingesting.feed_submissions import ABANDONED, MOST_ATTEMPTS
from catalog.services.ingesting.ingest import IngestRequest
from catalog.services.ingesting.ingest_rows import RowWriter
from catalog.settings import Settings
from catalog.storefront.app import create_app
from catalog.storefront.own_work import OwnWork
from catalog.types import Scope
from cli.indexing import fetch_and_index
from tests.file_server import FileServer, answer, serving
from tests.integration.services.conftest import picture
from tests.integration.storefront.conftest import Client, ColorApplication, ids, refused
from tests.leaving_store import LeavingFileSystem
from tests.qdrant_double import QdrantDouble

ROWS = [
    {"id": "a", "title": "Red dress", "image": "photos/a.png", "attributes": ["color=red"]},
    {"id": "b", "title": "Blue dress", "image": "photos/b.png", "attributes": ["color=blue"]},
]
PHOTOS = {"photos/a.png": picture("red"), "photos/b.png": picture("blue")}


def lines(rows) -> bytes:
    return "".join(json.dumps(row) + "\n" for row in rows).encode()


def zipped(files, links=()) -> bytes:
    """A ZIP archive of these files, and of symbolic links to where they lead."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
        for name, target in links:
            entry = zipfile.ZipInfo(name)
            entry.external_attr = (stat.S_IFLNK | 0o777) << 16
            archive.writestr(entry, target)
    return buffer.getvalue()


class Shop:
    """An application with an empty catalog of ``atelier``, and what is asked of it."""

    def __init__(self, application: ColorApplication) -> None:
        self.application = application
        with application.unit_of_work() as work:
            self.merchant_id = work.merchants.ensure("atelier")
            work.commit()
        make = application.api_keys.create
        secret = make("atelier", "feeds", [Scope.INGEST, Scope.SEARCH]).secret
        self.client = Client(create_app(application), secret)

    def upload(self, content: bytes, name: str = "feed.jsonl", options=None, **headers: str):
        data = {} if options is None else {"options": json.dumps(options)}
        headers = {"X-Api-Key": self.client.key, **headers}
        return self.client.ask("POST", "/v1/feeds", headers, files={"feed": (name, content)}, data=data)

    def taken(self, response):
        """The job of a feed that was handed over, once it was taken."""
        assert response.status_code == 202, response.text
        self.application.feed_submissions.run_due()
        return self.client.get(response.headers["location"]).json()

    def num_kept(self) -> int:
        """Uploaded files that lie in the store."""
        folder = self.application.settings.home / "images" / "feeds"
        return len(list(folder.iterdir())) if folder.exists() else 0


@pytest.fixture
def shop(database, tmp_path) -> Iterator[Shop]:
    settings = Settings(
        home=tmp_path / "home", database_url=database, model="colors-1", max_image_bytes=100_000, max_feed_bytes=200_000
    )
    with ColorApplication(settings) as application:
        yield Shop(application)


def test_an_uploaded_archive_becomes_a_job_that_takes_its_products_and_photos(shop):
    """Paths start from the feed's folder in the archive."""
    files = {"export/feed.jsonl": lines(ROWS), **{f"export/{name}": data for name, data in PHOTOS.items()}}
    response = shop.upload(zipped(files), "spring.zip", {"full_sync": True})
    assert response.json()["state"] == "waiting"
    assert response.json()["feed"] == "spring.zip"
    assert shop.num_kept() == 1
    job = shop.taken(response)
    assert (job["state"], job["error"], job["errors"]) == ("done", None, [])
    assert (job["counts"]["products_new"], job["counts"]["images_new"], job["images_waiting"]) == (2, 2, 2)
    assert shop.num_kept() == 0
    shop.application.indexing.run()
    assert ids(shop.client.get("/v1/products/a/similar", params={"mode": "visual"})) == ["b"]


def test_rows_that_cannot_be_taken_are_told_in_the_job(shop):
    job = shop.taken(shop.upload(lines([*ROWS, {"id": "c"}])))
    assert job["state"] == "done"
    assert (job["counts"]["rows_failed"], job["counts"]["images_failed"]) == (1, 2)
    told = {(error["line"], error["column"]) for error in job["errors"]}
    assert told == {(1, "image"), (2, "image"), (3, "title"), (3, "image")}
    assert str(shop.application.settings.home) not in json.dumps(job)
    assert "/tmp" not in json.dumps(job)
    (image,) = shop.client.get("/v1/products/a").json()["images"]
    assert image["reason"].endswith("expected a readable file below the feed's folder")


def test_no_file_of_this_machine_is_read_for_an_upload(shop, tmp_path):
    """Wherever it lies, and by whatever path: the photo is really there, and would be taken from a feed beside it."""
    secret = tmp_path / "secret.png"
    secret.write_bytes(picture("red"))
    sources = [f"{secret}", "../secret.png", f"../../..{secret}", f"x/../{secret}", f"file://{secret}"]
    rows = [{"id": f"{at}", "title": "Red", "image": source} for at, source in enumerate(sources)]
    job = shop.taken(shop.upload(lines(rows)))
    assert (job["state"], len(job["errors"])) == ("done", len(sources))
    assert {error["product"] for error in job["errors"]} == {row["id"] for row in rows}
    assert "images_new" not in job["counts"]
    assert not list((shop.application.settings.home / "images").glob("??/??/*"))


def test_no_archive_writes_outside_of_its_folder_or_links_there(shop, tmp_path):
    secret = tmp_path / "secret.png"
    secret.write_bytes(picture("red"))
    rows = [{"id": f"{at}", "title": "Red", "image": f"{at}.png"} for at in range(3)]
    rows += [{"id": "folder", "title": "Red", "image": "linked/secret.png"}]
    evil = {"feed.jsonl": lines(rows), "../0.png": picture("red"), f"{tmp_path}/1.png": picture("red")}
    links = [("2.png", str(secret)), ("linked", str(tmp_path))]
    job = shop.taken(shop.upload(zipped(evil, links), "feed.zip"))
    assert job["counts"]["images_failed"] == 4
    assert not (tmp_path / "1.png").exists()
    assert not list((shop.application.settings.home / "images").glob("??/??/*"))


def test_a_path_that_the_machine_cannot_have_is_left_out_of_an_archive(shop):
    """20 folders of 240 letters are more than the 4,096 bytes of a path. The rest is taken."""
    deep = "/".join(["d" * 240] * 19) + "/a.png"
    rows = [{**ROWS[0], "image": deep}, ROWS[1]]
    job = shop.taken(shop.upload(zipped({"feed.jsonl": lines(rows), deep: PHOTOS["photos/a.png"], **PHOTOS}), "f.zip"))
    assert (job["state"], job["counts"]["images_new"]) == ("done", 1)
    assert "/tmp" not in json.dumps(job)


def test_a_full_disk_is_not_told_as_a_damaged_archive(shop, monkeypatch):
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device", "/tmp/drape-feed-x/photos/a.png")

    content = zipped({"feed.jsonl": lines(ROWS), **PHOTOS})
    monkeypatch.setattr(zipfile.ZipFile, "open", full)
    job = shop.taken(shop.upload(content, "feed.zip"))
    assert job["state"] == "failed"
    assert job["error"].startswith("Something went wrong here")


def test_one_feed_of_a_merchant_at_a_time(shop):
    first = shop.upload(lines(ROWS))
    facts = refused(shop.upload(lines(ROWS)), 409, "ingest_running")
    assert "atelier" in facts["received"]
    by_address = shop.client.post("/v1/feeds", json={"url": "https://shop.example/feed.csv"})
    refused(by_address, 409, "ingest_running")
    shop.taken(first)
    with shop.application.unit_of_work() as other:
        other.merchants.claim_ingest(shop.merchant_id, "atelier")
        refused(shop.upload(lines(ROWS)), 409, "ingest_running")
    assert shop.upload(lines(ROWS)).status_code == 202


def test_whoever_looks_whether_a_feed_would_be_taken_is_in_nobodys_way(shop):
    """Neither of another who looks at that moment, nor of an ingest that begins."""
    merchant = (shop.merchant_id, "atelier")
    with shop.application.unit_of_work() as looking:
        looking.merchants.check_not_ingested(*merchant)
        shop.application.feed_submissions.check_free(*merchant)
        with shop.application.unit_of_work() as ingest:
            ingest.merchants.claim_ingest(*merchant)
            with pytest.raises(IngestRunning, match="right now"):
                shop.application.feed_submissions.check_free(*merchant)


def test_the_same_idempotency_key_hands_a_feed_over_once(shop):
    first, again = (shop.upload(lines(ROWS), **{"Idempotency-Key": "k-1"}) for _ in range(2))
    assert first.json()["id"] == again.json()["id"]
    job = shop.taken(again)
    later = shop.upload(lines(ROWS), **{"Idempotency-Key": "k-1"})
    assert (later.status_code, later.json()["id"], later.json()["state"]) == (202, job["id"], "done")
    assert later.headers["location"] == first.headers["location"]
    refused(shop.upload(lines(ROWS[:1]), **{"Idempotency-Key": "k-1"}), 422, "invalid_request")
    refused(shop.upload(lines(ROWS), options={"full_sync": True}, **{"Idempotency-Key": "k-1"}), 422, "invalid_request")
    assert shop.num_kept() == 0


def test_what_cannot_be_handed_over_is_told_at_once(shop):
    for options in (
        {"allow_absolute": True},
        {"merchant": "rival"},
        {"max_removal": 2},
        {"dialect": "folder"},
        {"currency": "ZZZ"},
    ):
        refused(shop.upload(b"id\n", options=options), 422, "invalid_request")
    for size in (200_001, 2_000_000):
        refused(shop.upload(bytes(size)), 413, "body_too_large")
    assert shop.num_kept() == 0
    assert shop.client.get("/v1/jobs").json()["jobs"] == []


def test_bodies_that_are_no_feed_are_told(shop):
    ask = shop.client.post
    refused(ask("/v1/feeds", content=b"id,title\n"), 415, "unsupported_media_type")
    refused(ask("/v1/feeds", json={}), 422, "invalid_request")
    refused(ask("/v1/feeds", json={"url": "ftp://shop.example/feed.csv"}), 422, "invalid_request")
    refused(ask("/v1/feeds", json={"url": "/etc/passwd"}), 422, "invalid_request")
    refused(ask("/v1/feeds", files={"image": b"x"}), 400, "malformed_body")


def test_a_feed_that_cannot_be_read_fails_under_its_own_name(shop):
    job = shop.taken(shop.upload(b"\x00\x01\x02", "../spring.csv"))
    assert job["state"] == "failed"
    assert "spring.csv" in job["error"]
    assert "drape-feed" not in job["error"]
    assert shop.num_kept() == 0


def test_a_feed_by_address_is_fetched_from_where_it_may_be(database, tmp_path):
    feed = lines([{"id": "a", "title": "Red", "image": "a.png"}])
    server = FileServer({"/feed.jsonl": answer(feed, ETag='"1"'), "/a.png": answer(picture("red"))})
    with serving(server):
        settings = Settings(
            home=tmp_path / "home", database_url=database, model="colors-1", fetch_allow=f"127.0.0.1:{server.port}"
        )
        with ColorApplication(settings) as application:
            shop = Shop(application)
            job = shop.taken(shop.client.post("/v1/feeds", json={"url": server.url("/feed.jsonl")}))
            assert (job["state"], job["feed"], job["images_waiting"]) == ("done", server.url("/feed.jsonl"), 1)
            server.answers["/feed.jsonl"] = answer(status="304 Not Modified")
            for _ in range(2):
                again = shop.taken(shop.client.post("/v1/feeds", json={"url": server.url("/feed.jsonl")}))
                assert (again["state"], again["counts"]) == ("done", {"feed_unchanged": 1})
                assert server.asked[-1].headers["if-none-match"] == '"1"'
            refused_job = shop.taken(shop.client.post("/v1/feeds", json={"url": "http://127.0.0.1:9/feed.csv"}))
            assert refused_job["state"] == "failed"


def test_a_job_that_waits_is_cancelled_at_once(shop):
    response = shop.upload(lines(ROWS))
    cancelled = shop.client.post(response.headers["location"] + "/cancel")
    assert (cancelled.status_code, cancelled.json()["state"]) == (202, "cancelled")
    assert shop.application.feed_submissions.run_due() == []
    assert shop.upload(lines(ROWS)).status_code == 202


def test_a_feed_whose_taker_was_killed_is_taken_by_the_next(shop):
    """Its job waits again, whoever looks; and after three such takers it is given up."""
    response = shop.upload(lines(ROWS))
    for _ in range(3):
        with shop.application.unit_of_work() as work:
            feed = work.submitted_feeds.claim(shop.application.feed_submissions._lease)
            assert work.jobs.begin(feed.job_id, "feed.jsonl", feed.request, "B")
            work.commit()
        # Nobody holds the lock that a running job holds.
        assert shop.client.get(response.headers["location"]).json()["state"] == "waiting"
        assert shop.application.feed_submissions.run_due() == []
        shop.application.feed_submissions.begin_alone()
    job = shop.taken(response)
    assert job["state"] == "failed"
    assert "given up" in job["error"]
    assert shop.num_kept() == 0


def test_a_feed_is_given_back_where_the_process_is_to_end(shop):
    answers = iter([False, True])
    response = shop.upload(lines(ROWS))
    shop.application.feed_submissions.run_due(lambda: next(answers, True))
    assert shop.client.get(response.headers["location"]).json()["state"] == "waiting"
    assert shop.taken(response)["state"] == "done"


@pytest.fixture
def shop_with_a_leaving_store(database, tmp_path) -> Iterator[Shop]:
    LeavingFileSystem.empty()
    settings = Settings(
        home=tmp_path / "home", database_url=database, model="colors-1", image_store="leaving://images", max_attempts=2
    )
    with ColorApplication(settings) as application:
        yield Shop(application)
    LeavingFileSystem.empty()


def kept_in_the_store() -> list[str]:
    return [path for path in LeavingFileSystem.store if "/feeds/" in path]


@pytest.mark.parametrize("writes", [0, 1], ids=["before it is read", "while it is read"])
def test_a_feed_waits_as_long_as_the_image_store_is_away(shop_with_a_leaving_store, monkeypatch, writes):
    """However often it is tried meanwhile; and what was taken before stays."""
    shop = shop_with_a_leaving_store
    monkeypatch.setattr("catalog.services.ingesting.ingest.ROWS_PER_TRANSACTION", 1)
    response = shop.upload(zipped({"feed.jsonl": lines(ROWS), **PHOTOS}), "feed.zip")
    LeavingFileSystem.leave(after_writes=writes)
    for _ in range(MOST_ATTEMPTS + 1):
        job = shop.taken(response)
        assert (job["state"], job["error"]) == ("waiting", None)
        assert shop.client.get("/v1/products/a").status_code == (200 if writes else 404)
        # It is not tried as fast as can be.
        assert shop.application.feed_submissions.run_due() == []
        with shop.application._sessions() as session:
            session.execute(text("UPDATE submitted_feed SET due_at = now()"))
            session.commit()
    LeavingFileSystem.stay()
    job = shop.taken(response)
    assert (job["state"], job["error"], job["images_waiting"]) == ("done", None, 2)
    assert kept_in_the_store() == []


def test_a_feed_is_taken_once_more_where_postgresql_was_away_for_a_moment(shop, monkeypatch):
    """Its job has not failed, though PostgreSQL is there to note that by the time it ends."""
    write = RowWriter.write

    def away_once(self, records) -> None:
        monkeypatch.setattr(RowWriter, "write", write)
        raise DatabaseUnavailable("PostgreSQL did not answer")

    monkeypatch.setattr(RowWriter, "write", away_once)
    response = shop.upload(zipped({"feed.jsonl": lines(ROWS), **PHOTOS}), "feed.zip")
    with pytest.raises(DatabaseUnavailable):
        shop.application.feed_submissions.run_due()
    assert shop.client.get(response.headers["location"]).json()["state"] == "waiting"
    shop.application.feed_submissions.begin_alone()
    assert shop.taken(response)["state"] == "done"


def test_a_feed_is_taken_though_the_image_store_is_away_when_its_file_is_to_be_deleted(shop_with_a_leaving_store):
    shop = shop_with_a_leaving_store
    response = shop.upload(zipped({"feed.jsonl": lines(ROWS), **PHOTOS}), "feed.zip")
    LeavingFileSystem.leave(after_writes=2)
    [taken] = shop.application.feed_submissions.run_due()
    assert (taken.error, taken.counts["images_new"]) == (None, 2)
    assert shop.client.get(response.headers["location"]).json()["state"] == "done"
    # It is swept in a day.
    LeavingFileSystem.stay()
    assert len(kept_in_the_store()) == 1


def test_uploads_of_a_merchant_do_not_fill_the_disk_together(shop):
    """Two come in slowly; a third is turned away at once. Of the two, the one that is whole first is taken."""
    head = b'--x\r\nContent-Disposition: form-data; name="feed"; filename="feed.jsonl"\r\n\r\n'
    headers = {"X-Api-Key": shop.client.key, "Content-Type": "multipart/form-data; boundary=x"}

    async def trial() -> list[tuple[int, str]]:
        may_end = asyncio.Event()
        begun = asyncio.Semaphore(0)

        async def slowly() -> AsyncIterator[bytes]:
            yield head
            begun.release()
            await asyncio.wait_for(may_end.wait(), 20)
            yield lines(ROWS) + b"\r\n--x--\r\n"

        transport = httpx.ASGITransport(shop.client.app)
        async with httpx.AsyncClient(transport=transport, base_url="http://drape.example", headers=headers) as client:
            both = [asyncio.create_task(client.post("/v1/feeds", content=slowly())) for _ in range(2)]
            for _ in both:
                await asyncio.wait_for(begun.acquire(), 20)
            third = await client.post("/v1/feeds", content=head)
            may_end.set()
            answered = [third, *await asyncio.gather(*both)]
            last = await client.post("/v1/feeds", content=head)
        return [
            (one.status_code, "" if one.is_success else one.json()["error"]["message"]) for one in [*answered, last]
        ]

    third, *both, last = asyncio.run(trial())
    assert third == (409, "Feeds of this merchant are being uploaded right now")
    waits = "A feed of this merchant waits to be taken, or is being taken"
    assert sorted(both) == [(202, ""), (409, waits)]
    # Their turns are over.
    assert last == (409, waits)


def test_files_that_nobody_asks_for_are_swept(shop):
    service = shop.application.feed_submissions
    old = service._store.put(io.BytesIO(b"id\n"), "feed.csv")
    kept = old.replace(old.partition("-")[0], "1700000000", 1)
    folder = shop.application.settings.home / "images" / "feeds"
    (folder / old).rename(folder / kept)
    shop.upload(lines(ROWS))
    assert ABANDONED.days == 1
    assert service.sweep() == 1
    assert shop.num_kept() == 1


def test_what_cancelled_jobs_and_killed_takers_leave_is_swept_by_whoever_takes_feeds(shop, tmp_path, monkeypatch):
    """Workers, too, which never start anew: an hour after they looked last. What is not a day old stays."""
    clock = iter([0.0, 0.0, 3599.0, 3600.0, 3600.0])
    monkeypatch.setattr(shop.application.feed_submissions, "_clock", lambda: next(clock))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    uploads = shop.application.settings.home / "images" / "feeds"
    response = shop.upload(lines(ROWS))
    assert shop.client.post(f"{response.headers['location']}/cancel").status_code == 202
    shop.application.feed_submissions.run_due()
    (left,) = uploads.iterdir()
    left.rename(uploads / left.name.replace(left.name.partition("-")[0], "1700000000", 1))
    for name in ("drape-feed-old", "drape-feed-new", "other-old"):
        (tmp_path / name / "photos").mkdir(parents=True)
    for name in ("drape-feed-old", "other-old"):
        os.utime(tmp_path / name, (1_700_000_000, 1_700_000_000))
    shop.application.feed_submissions.run_due()
    assert shop.num_kept() == 1
    shop.application.feed_submissions.run_due()
    assert shop.num_kept() == 0
    assert {path.name for path in tmp_path.iterdir()} >= {"drape-feed-new", "other-old"}
    assert not (tmp_path / "drape-feed-old").exists()


def test_of_an_upload_that_cannot_be_kept_nothing_is_left(shop):
    """As where the disk is full after the first piece."""

    class Broken(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            if self.tell():
                raise OSError(errno.ENOSPC, "No space left on device")
            return super().read(3)

    with pytest.raises(ImageStoreUnavailable, match="No space left"):
        shop.application.feed_submissions._store.put(Broken(b"id,title\n"), "feed.csv")
    assert shop.num_kept() == 0


def test_without_workers_the_process_does_their_work(shop):
    """Ingested, indexed and searched while its threads run."""
    work = OwnWork(shop.application)
    work.start()
    try:
        files = {"feed.jsonl": lines(ROWS), **PHOTOS}
        location = shop.upload(zipped(files), "feed.zip").headers["location"]
        waited = threading.Event()
        for _ in range(600):
            job = shop.client.get(location).json()
            if job["state"] == "done" and job["images_waiting"] == 0:
                break
            waited.wait(0.05)
        assert ids(shop.client.get("/v1/products/a/similar", params={"mode": "visual"})) == ["b"]
    finally:
        work.stop()


def test_what_failed_for_now_is_tried_again_where_the_index_is_a_servers(database, tmp_path):
    """Nobody announces it, and no worker sweeps: a photo that was not to be had at first is fetched all the same."""
    answers = iter([answer(b"", "503 Service Unavailable", Retry_After="1")])
    photo = answer(picture("red"))
    server = FileServer({"/a.png": lambda connection, _: connection.sendall(next(answers, photo))})
    with serving(server), QdrantDouble() as qdrant_double:
        settings = Settings(
            home=tmp_path / "home",
            database_url=database,
            qdrant_url=qdrant_double.url,
            model="colors-1",
            sweep_seconds=0.1,
            fetch_allow=f"127.0.0.1:{server.port}",
        )
        with ColorApplication(settings, is_server=True) as application:
            shop = Shop(application)
            work = OwnWork(application)
            work.start()
            try:
                row = {"id": "a", "title": "Red", "image": server.url("/a.png")}
                location = shop.upload(lines([row])).headers["location"]
                waited = threading.Event()
                for _ in range(300):
                    job = shop.client.get(location).json()
                    if job["state"] == "done" and job["images_waiting"] == 0:
                        break
                    waited.wait(0.05)
                assert (job["state"], job["images_waiting"]) == ("done", 0)
                assert [asked.path for asked in server.asked] == ["/a.png", "/a.png"]
            finally:
                work.stop()


def test_a_command_leaves_what_it_marks_to_the_server_that_owns_the_index(database, tmp_path):
    settings = Settings(home=tmp_path / "home", database_url=database, model="colors-1", sweep_seconds=0.1)
    feed = tmp_path / "feed.jsonl"
    feed.write_bytes(lines([{"id": "a", "title": "Red", "image": "a.png"}]))
    (tmp_path / "a.png").write_bytes(picture("red"))
    with ColorApplication(settings, is_server=True) as server:
        server.index.list_collections()
        work = OwnWork(server)
        work.start()
        try:
            with ColorApplication(settings) as command:
                assert command.is_indexed_elsewhere
                summary = command.ingest.run(IngestRequest(feed, "atelier", "colors-1"), lambda error: None)
                done = fetch_and_index(command, summary.merchant_id, 0, everything=True, quiet=True)
            assert done.quarantined == done.postponed == 0
        finally:
            work.stop()
        with server.unit_of_work() as unit:
            assert unit.outbox.backlog().waiting == 0
        (collection,) = server.index.list_collections()
        assert server.index.count(collection) == 1
    with ColorApplication(settings) as command:
        assert not command.is_indexed_elsewhere
        # One that owns the index and works for nobody is told of, as ever.
        command.index.list_collections()
        with ColorApplication(settings) as other:
            assert not other.is_indexed_elsewhere
            with pytest.raises(IndexBusy):
                other.index.list_collections()
