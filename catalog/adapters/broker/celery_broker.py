"""The Celery application over Redis: its queues, the names of its tasks, and how messages are kept.

Both sides are made of it: who announces work (``celery_announcements``) and who does it (``workers``). Importing this
module takes a quarter of a second.
"""

from __future__ import annotations

from typing import Final

import kombu.exceptions
import redis
from celery import Celery
from kombu.entity import Queue

from catalog.adapters.broker.broker_url import normalize_broker_url
from catalog.errors import BrokerUnavailable
from catalog.ports.announcements import WorkQueue

INDEX_IMAGES: Final = "drape.index_images"
"""Name of the task that works off dirty images, of either queue of them."""

FETCH_IMAGES: Final = "drape.fetch_images"
"""Name of the task that fetches images by address."""

TAKE_FEEDS: Final = "drape.take_feeds"
"""Name of the task that ingests the feeds which are due."""

TELL_WEBHOOKS: Final = "drape.tell_webhooks"
"""Name of the task that tells merchants' servers of jobs that have ended."""

EMBED_QUERIES: Final = "drape.embed_queries"
"""Name of the task that embeds photos which are being searched with."""

TASKS: Final = {
    WorkQueue.EMBED: INDEX_IMAGES,
    WorkQueue.INDEX: INDEX_IMAGES,
    WorkQueue.FETCH: FETCH_IMAGES,
    WorkQueue.FEED: TAKE_FEEDS,
    WorkQueue.HOOK: TELL_WEBHOOKS,
    WorkQueue.QUERY: EMBED_QUERIES,
}
"""What a message in each queue asks for."""

VISIBILITY_SECONDS: Final = 3600
"""After this a message whose worker vanished is delivered again. It may be long, because the sweep does not wait for
it, and must exceed the time that a task may take, or its message would be doubled."""

RECONCILE: Final = "drape.reconcile"
"""Name of the task that compares the vector index with PostgreSQL and repairs it."""

KEY_PREFIX: Final = "drape:"
"""Of everything that Drape keeps in Redis."""

_RECONCILE_WITHIN: Final = 43_200.0
_SOCKET_SECONDS: Final = 5.0


def celery_app(broker_url: str) -> Celery:
    """The application, connected to nothing yet.

    Args:
        broker_url: Redis, as ``DRAPE_BROKER_URL`` has it.

    Raises:
        InvalidRequest: the address is not one of Redis.
    """
    app = Celery("drape", broker=normalize_broker_url(broker_url), set_as_current=False)
    app.conf.update(
        # Messages hold ids and nothing else; JSON cannot hold code.
        task_serializer="json",
        accept_content=["json"],
        # How a job ended stands in PostgreSQL.
        task_ignore_result=True,
        task_queues=[Queue(queue.value) for queue in WorkQueue],
        task_default_queue=WorkQueue.INDEX.value,
        task_create_missing_queues=False,
        # A message is done when its task has ended, and a worker holds no more than the one it works on.
        task_acks_late=True,
        worker_prefetch_multiplier=1,
        # A message whose process was killed is not tried again at once: what killed it may be what it is about. What
        # is left to do stands in PostgreSQL.
        task_reject_on_worker_lost=False,
        broker_connection_retry_on_startup=True,
        broker_connection_max_retries=None,
        broker_transport_options={
            "global_keyprefix": KEY_PREFIX,
            "visibility_timeout": VISIBILITY_SECONDS,
            "socket_connect_timeout": _SOCKET_SECONDS,
            "socket_timeout": _SOCKET_SECONDS * 2,
            "socket_keepalive": True,
        },
        # Nobody asks workers anything through the broker; this spares it their chatter.
        worker_enable_remote_control=False,
        worker_send_task_events=False,
        # The work goes on when Redis is gone for a while; only its acknowledgement is lost, and doing it twice changes
        # nothing.
        worker_cancel_long_running_tasks_on_connection_loss=False,
    )
    return app


def redis_client(broker_url: str, longest_wait: float = 0) -> redis.Redis:
    """A client of the broker itself, connected to nothing yet. Safe to use from several threads.

    Args:
        longest_wait: Seconds that a command may wait for something in Redis.

    Raises:
        InvalidRequest: the address is not one of Redis.
    """
    url = normalize_broker_url(broker_url).replace("redis+socket://", "unix://")
    return redis.Redis.from_url(
        url, socket_connect_timeout=_SOCKET_SECONDS, socket_timeout=_SOCKET_SECONDS + longest_wait
    )


def require_redis(broker_url: str) -> None:
    """Ask Redis whether it is there.

    Raises:
        InvalidRequest: the address is not one of Redis.
        BrokerUnavailable: what is there does not answer as Redis does.
    """
    client = redis_client(broker_url)
    try:
        client.ping()
    except (redis.RedisError, OSError, ValueError) as error:
        raise BrokerUnavailable(
            "Redis does not answer at the broker's address",
            received=str(error) or type(error).__name__,
            expected="a Redis server that takes this user and password",
            remedy="start it, or correct DRAPE_BROKER_URL",
        ) from error
    finally:
        client.close()


UNREACHABLE: Final[tuple[type[Exception], ...]] = (kombu.exceptions.OperationalError, redis.RedisError, OSError)
"""What sending raises where the broker cannot be reached."""


def announce(app: Celery, queue: WorkQueue) -> None:
    """Have one worker of the queue look for work; nothing is sent where a message of an earlier call still waits.

    That one message has somebody look for all there is. So messages do not pile up while all workers are busy or away,
    and none has to expire by a clock that its receiver's may disagree with.

    Raises:
        One of ``UNREACHABLE``.
    """
    with app.producer_or_acquire() as producer:
        if producer.channel.queue_declare(queue=queue.value).message_count == 0:
            task = TASKS[queue]
            app.send_task(
                task,
                kwargs={"queue": queue.value} if task == INDEX_IMAGES else {},
                queue=queue.value,
                producer=producer,
                retry=False,
                ignore_result=True,
            )


def announce_reconciliation(app: Celery) -> None:
    """Have one worker of the queue ``index`` reconcile everything, within half a day or not at all.

    Raises:
        One of ``UNREACHABLE``.
    """
    app.send_task(RECONCILE, queue=WorkQueue.INDEX.value, expires=_RECONCILE_WITHIN, retry=False, ignore_result=True)


def waiting_messages(app: Celery) -> dict[str, int]:
    """How many messages wait in each queue.

    Raises:
        OSError: the broker cannot be reached.
    """
    try:
        with app.connection_for_write() as connection, connection.channel() as channel:
            return {queue.value: channel.queue_declare(queue=queue.value).message_count for queue in WorkQueue}
    except UNREACHABLE as error:
        raise OSError(f"the broker cannot be reached: {error}") from error
