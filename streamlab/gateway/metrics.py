"""Figures in the form that Prometheus reads. Nothing else of the gateway knows of Prometheus."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import get_args

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, generate_latest
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector
from prometheus_client.samples import Sample

from streamlab.events.event import Status
from streamlab.events.outcome import Outcome
from streamlab.gateway.delivery import DeliveryDetails, EndReason, Traffic
from streamlab.gateway.writer import PROTOCOLS

BUCKETS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)  # seconds


@dataclass(frozen=True, slots=True)
class ServerTotals:
    """What counts up or stands somewhere, read when it is asked for."""

    traffic: Mapping[str, Traffic]
    runs_started: int
    runs_ended: Mapping[Status, int]
    runs_live: int
    runs_taken_over: int
    hub_bytes: int


class Metrics:
    """A registry of its own, so that several gateways can live in one process."""

    def __init__(self, totals: Callable[[], ServerTotals]) -> None:
        self._registry = CollectorRegistry()
        self._followers = Gauge(
            "streamlab_followers", "Clients that follow a run now.", ["protocol"], registry=self._registry
        )
        self._first_event = Histogram(
            "streamlab_first_event_seconds",
            "From a client's arrival to the first event that it was sent.",
            ["protocol"],
            buckets=BUCKETS,
            registry=self._registry,
        )
        self._first_token = Histogram(
            "streamlab_run_first_token_seconds",
            "From a run's begin to the first text of the answer that it ended with.",
            buckets=BUCKETS,
            registry=self._registry,
        )
        self._reconnects = Counter(
            "streamlab_reconnects", "Clients that went on from a resume token.", ["protocol"], registry=self._registry
        )
        self._disconnects = Counter(
            "streamlab_disconnects",
            "Deliveries that ended, by what ended them.",
            ["protocol", "reason"],
            registry=self._registry,
        )
        for protocol in PROTOCOLS:  # there at once, at 0: a rate does not see what a series began with
            self._followers.labels(protocol)
            self._reconnects.labels(protocol)
            for reason in get_args(EndReason):
                self._disconnects.labels(protocol, reason)
        self._registry.register(_TotalsCollector(totals))
        ProcessCollector(registry=self._registry)

    def observe(self, details: DeliveryDetails) -> None:
        """Count a stage of a delivery: the hook of deliveries."""
        match details.stage:
            case "begun":
                self._followers.labels(details.protocol).inc()
                if details.resumed:
                    self._reconnects.labels(details.protocol).inc()
            case "first":
                self._first_event.labels(details.protocol).observe(details.seconds)
            case "ended":
                self._followers.labels(details.protocol).dec()
                self._disconnects.labels(details.protocol, details.reason).inc()

    def observe_run(self, outcome: Outcome) -> None:
        """Count a run that has ended: the hook of runs."""
        if outcome.timings.ttft is not None:
            self._first_token.observe(outcome.timings.ttft)

    def samples(self) -> Iterator[Sample]:
        """Give all of it, for programs."""
        for family in self._registry.collect():
            yield from family.samples

    def text(self) -> bytes:
        """Write all of it in Prometheus's text format."""
        return generate_latest(self._registry)


class _TotalsCollector(Collector):
    def __init__(self, totals: Callable[[], ServerTotals]) -> None:
        self._totals = totals

    def collect(self) -> Iterable[Metric]:
        totals = self._totals()
        events = CounterMetricFamily("streamlab_events_sent", "Events sent, merged ones as one.", labels=["protocol"])
        sent = CounterMetricFamily("streamlab_bytes_sent", "Bytes of events sent.", labels=["protocol"])
        for protocol, traffic in totals.traffic.items():
            events.add_metric([protocol], traffic.events)
            sent.add_metric([protocol], traffic.sent)
        ended = CounterMetricFamily("streamlab_runs_ended", "Runs that ended, by status.", labels=["status"])
        for status in get_args(Status):
            ended.add_metric([status], totals.runs_ended.get(status, 0))
        return [
            events,
            sent,
            ended,
            CounterMetricFamily("streamlab_runs_started", "Runs that began.", totals.runs_started),
            CounterMetricFamily(
                "streamlab_runs_taken_over",
                "Runs of other processes that died, ended here in their place.",
                totals.runs_taken_over,
            ),
            GaugeMetricFamily("streamlab_runs_live", "Runs that are being produced.", totals.runs_live),
            GaugeMetricFamily("streamlab_hub_bytes", "Memory of all logs.", totals.hub_bytes),
        ]
