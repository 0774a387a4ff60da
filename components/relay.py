"""One run at several clients at once: their cards, and what the gateway has to do for them."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from math import inf, isfinite
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import altair as alt
import segno
import streamlit as st
from prometheus_client.samples import Sample
from streamlit.delta_generator import DeltaGenerator

from components import colors, sidebar
from components.texts import t
from streamlab.gateway.metrics import BUCKETS

if TYPE_CHECKING:  # what speaks gRPC takes a while to load
    from streamlab.grpc_follower import Look

QUESTION = "relay.question"
CLIENTS = "relay.clients"
WINDOW = 120  # seconds that the charts go back
PROTOCOLS = {"sse": "SSE", "websocket": "WebSocket", "grpc": "gRPC"}
REASONS = ("ended", "client", "slow", "drained", "expired", "revoked")
CHART_HEIGHT = 190  # pixels, with its axes
WORDS = (
    "add", "sse", "websocket", "grpc", "late", "text", "cut", "reconnect", "slow", "leave", "seq", "lag", "bytes",
    "reconnects", "merged", "wrong", "connecting", "open", "slowed", "is_cut", "lost", "refused", "whole", "differs",
    "ended", "note_local", "note_refused", "note_gap", "note_slow", "full",
)  # fmt: skip

Rows = list[dict[str, Any]]

_HTML = """
<div class="relay">
    <div class="bar" role="group"></div>
    <div class="cards"></div>
    <div class="spoken" role="status"></div>
</div>
"""

_CSS = """
.relay {
    display: flex; flex-direction: column; gap: 0.75rem; padding: 3px; box-sizing: border-box;
    font-family: var(--st-font); color: var(--st-text-color); font-size: 0.875rem;
    --quiet: color-mix(in srgb, var(--st-text-color) 72%, var(--st-background-color));
}
.bar, .buttons { display: flex; flex-wrap: wrap; align-items: center; gap: 0.4rem; }
.buttons { margin-top: auto; }
.bar .label, dt, .note { color: var(--quiet); }
button {
    min-height: 2rem; padding: 0.2rem 0.65rem; cursor: pointer; white-space: nowrap;
    border: 1px solid var(--st-border-color); border-radius: var(--st-button-radius, 0.5rem);
    background: var(--st-background-color); color: inherit; font: inherit;
}
button:hover:not(:disabled) { border-color: var(--st-primary-color); }
button:focus-visible, .text:focus-visible { outline: 2px solid var(--st-primary-color); outline-offset: 1px; }
button:disabled { cursor: default; opacity: 0.5; }
button[aria-pressed=true] {
    border-color: var(--st-primary-color); box-shadow: inset 0 0 0 1px var(--st-primary-color);
}
.cards { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(15.5rem, 100%), 1fr)); gap: 0.75rem; }
article {
    display: flex; flex-direction: column; gap: 0.6rem; min-width: 0; padding: 0.75rem;
    border: 1px solid var(--st-border-color); border-radius: var(--st-base-radius, 0.5rem);
}
header { display: flex; flex-wrap: wrap; align-items: baseline; justify-content: space-between; gap: 0 0.75rem; }
h3 { margin: 0; font-size: 0.95rem; font-weight: 600; }
.state { display: inline-flex; align-items: center; gap: 0.35rem; }
.state::before { content: ''; width: 0.6rem; height: 0.6rem; flex: none; background: var(--mark); border-radius: 50%; }
[data-state=cut] .state::before, [data-state=refused] .state::before, [data-state=differs] .state::before {
    border-radius: 0;
}
[data-state=connecting], [data-state=lost] { --mark: WAITING; }
[data-state=open], [data-state=whole], [data-state=ended] { --mark: MODEL; }
[data-state=slow] { --mark: TOOL; }
[data-state=cut], [data-state=refused], [data-state=differs] { --mark: FAILED; }
.text {
    height: 9rem; overflow-y: auto; padding: 0.5rem 0.6rem; border-radius: 0.35rem; line-height: 1.5;
    background: var(--st-secondary-background-color); white-space: pre-wrap; overflow-wrap: anywhere;
}
dl { display: grid; grid-template-columns: repeat(auto-fill, minmax(6.25rem, 1fr)); gap: 0.4rem 0.5rem; margin: 0; }
dt { font-size: 0.75rem; }
dd { margin: 0; font-variant-numeric: tabular-nums; overflow-wrap: anywhere; }
.note { margin: 0; font-size: 0.8rem; }
.note:empty { display: none; }
.spoken { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); white-space: nowrap; }
"""
for _name in ("WAITING", "MODEL", "TOOL", "FAILED"):
    _CSS = _CSS.replace(_name, getattr(colors, _name))

# Run again whenever the data change: the clients and their connections stay until the page is left.
_JS = """
const CARDS = 8;
const STREAMS = 4;           // a browser opens six HTTP/1.1 connections to one server, and the page needs some itself
const BITE = 50;             // bytes that a slow client reads at a time
const REST = 250;            // milliseconds until the next
const BEHIND = 64;           // events after which a slow client resumes, to be sent the rest merged
const AGAIN = 1000;          // milliseconds until a lost client comes back, then twice as long
const LONGEST = 10000;
const benches = new WeakMap();
const utf8 = new TextEncoder();
const pause = milliseconds => new Promise(resolve => setTimeout(resolve, milliseconds));

function element(tag, kind, text = '') {
    const made = document.createElement(tag);
    if (kind) made.className = kind;
    made.textContent = text;
    return made;
}

function press(text, act) {
    const button = element('button', '', text);
    button.type = 'button';
    button.onclick = act;
    return button;
}

// https://html.spec.whatwg.org/multipage/server-sent-events.html, as much of it as the gateway sends
class EventLines {
    constructor(take) { this.take = take; this.text = ''; this.fields = {}; this.decoder = new TextDecoder(); }

    feed(bytes) {
        const lines = (this.text + this.decoder.decode(bytes, { stream: true })).split('\\n');
        this.text = lines.pop();
        lines.forEach(line => this.line(line));
    }

    line(line) {
        const [, name, value] = line.match(/^([^:]*):? ?(.*)$/s);
        if (line) { this.fields[name] = value; return; }
        const { id, event, data } = this.fields;
        this.fields = {};
        if (data) this.take({ id, event, data: JSON.parse(data) });
    }
}

class Client {
    constructor(bench, kind, name) {
        Object.assign(this, { bench, kind, name, state: 'connecting', slow: false, byHand: false, close: () => {} });
        Object.assign(this, { token: '', seq: 0, at: 0, step: 1, text: '', answer: null, status: '', code: '' });
        Object.assign(this, { bytes: 0, resumes: 0, merged: 0, missing: 0, twice: 0, gaps: 0, tries: 0 });
        this.joined = bench.head.seq;
        this.build();
        this.connect();
    }

    get readable() { return ['sse', 'late'].includes(this.kind); }  // piece by piece, as slowly as one likes

    get streams() { return this.readable && ['connecting', 'open', 'slow', 'lost'].includes(this.state); }

    get whole() { return this.status === 'completed' && this.text === this.answer && !this.missing && !this.twice; }

    address(scheme, end) {
        const url = new URL(`/api/runs/${this.bench.run}/${end}`, location.origin);
        url.protocol = scheme + (location.protocol === 'https:' ? 's:' : ':');
        url.searchParams.set('token', this.bench.data.token);
        if (this.token) url.searchParams.set('after', this.token);
        return url;
    }

    connect() {
        this.close();
        this.set('connecting');
        if (this.kind === 'websocket') this.openSocket(); else this.openStream();
    }

    async openStream() {
        const abort = new AbortController();
        this.close = () => abort.abort();
        try {
            const headers = { Accept: 'text/event-stream' };
            const address = this.address('http', 'events');
            const response = await fetch(address, { headers, signal: abort.signal, cache: 'no-store' });
            if (!response.ok) {
                this.turnedAway(response.status, (await response.json()).error.code);
                return;
            }
            this.set(this.slow ? 'slow' : 'open');
            await this.read(response.body.getReader(), abort.signal);
        } catch (error) {
            if (abort.signal.aborted) return;
            console.debug(error);
        }
        if (!abort.signal.aborted) this.broken();
    }

    // Slowly: nothing more is asked of the connection until what it gave has been read, a bite at a time.
    async read(reader, signal) {
        const lines = new EventLines(entry => this.take(entry));
        for (;;) {
            const { value, done } = await reader.read();
            if (done) return;
            for (let from = 0; from < value.length;) {
                const bite = value.subarray(from, this.slow ? from + BITE : value.length);
                const before = this.seq;
                from += bite.length;
                this.bytes += bite.length;
                lines.feed(bite);
                if (signal.aborted) return;
                if (!this.slow) continue;
                if (this.seq > before && this.bench.head.seq - this.seq > BEHIND) { this.connect(); return; }
                this.show();
                await pause(REST);
                if (signal.aborted) return;
            }
        }
    }

    openSocket() {
        const socket = new WebSocket(this.address('ws', 'ws'));
        let left = false;
        this.close = () => { left = true; socket.close(); };
        socket.onmessage = ({ data }) => {
            if (left) return;
            this.bytes += utf8.encode(data).length;
            this.take(JSON.parse(data));
        };
        socket.onclose = ({ code, reason }) => {
            if (left) return;
            if (code > 4000) this.turnedAway(code - 4000, reason); else this.broken();
        };
    }

    take({ id, event, data }) {
        if (event === 'open') {
            if (this.token) this.resumes += 1;
            this.set(this.slow ? 'slow' : 'open');
        } else if (event === 'gap') {
            this.gaps += 1;
        } else if (event === 'snapshot') {
            Object.assign(this, { seq: data.seq, step: data.step });
            this.write(data.text, true);
        } else if (id) {
            this.count(data);
            this.token = id;
            this.observe(data);
        }
        this.show();
    }

    count({ seq, seq_from: from = seq, at }) {
        this.missing += Math.max(0, from - this.seq - 1);
        this.twice += Math.max(0, Math.min(this.seq, seq) - from + 1);
        if (from < seq) this.merged += seq - from + 1;
        Object.assign(this, { seq, at, tries: 0 });
        this.bench.reached(seq, at);
    }

    // The text that counts: of the current step, since its last retry.
    observe(event) {
        const { type, step, content, status } = event;
        if (type !== 'tool_result' && (type === 'retry' || step !== this.step)) {
            this.step = step;
            this.write('', true);
        }
        if (type === 'text_delta') this.write(content);
        if (type === 'final_answer') this.answer = content;
        if (type === 'done') this.finish(status);
    }

    write(text, anew) {
        this.text = (anew ? '' : this.text) + text;
        if (anew) this.node.data = text; else this.node.appendData(text);
    }

    finish(status) {
        this.status = status;
        this.close();
        this.set(status !== 'completed' ? 'ended' : this.whole || this.gaps ? 'whole' : 'differs');
        if (this.byHand && this.whole) this.bench.tell('resumed', this.bench.run);
    }

    turnedAway(status, code) {
        if (status === 401 || status === 429 || status >= 500) { this.broken(); return; }
        this.code = code;
        this.set('refused');
    }

    broken() {
        if (this.status) return;
        this.set('lost');
        setTimeout(() => { if (this.state === 'lost') this.connect(); }, Math.min(LONGEST, AGAIN * 2 ** this.tries));
        this.tries += 1;
    }

    cutOrReconnect() {
        if (this.state === 'cut' || this.state === 'refused') {
            this.byHand ||= this.bench.head.seq > this.seq;
            this.connect();
        } else {
            this.close();
            this.set('cut');
        }
    }

    slowOrNot() {
        this.slow = !this.slow;
        if (this.state === 'open' || this.state === 'slow') this.set(this.slow ? 'slow' : 'open');
        this.show();
    }

    leave() {
        this.close();
        this.state = 'left';
        const next = this.card.nextElementSibling ?? this.card.previousElementSibling;
        this.card.remove();
        this.bench.clients.delete(this);
        this.bench.drawBar();
        (next?.querySelector('button:not(:disabled)') ?? this.bench.bar.querySelector('button')).focus();
    }

    set(state) {
        if (this.state === 'left') return;
        const told = ['cut', 'lost', 'refused', 'whole', 'differs', 'ended'].includes(state);
        if (told && state !== this.state) this.bench.say(`${this.name}: ${this.bench.word(state)}`);
        this.state = state;
        this.bench.drawBar();
        this.show();
    }

    build() {
        const words = this.bench.data.words;
        this.card = element('article');
        const title = element('h3', '', this.name);
        this.condition = element('span', 'state');
        this.place = element('div', 'text');
        this.place.tabIndex = 0;
        this.place.setAttribute('role', 'region');
        this.place.setAttribute('aria-label', `${words.text}: ${this.name}`);
        this.node = this.place.appendChild(document.createTextNode(''));
        const list = element('dl');
        this.figures = {};
        for (const name of ['seq', 'lag', 'bytes', 'reconnects', 'merged', 'wrong']) {
            const pair = element('div');
            this.figures[name] = element('dd', name);
            pair.append(element('dt', '', words[name]), this.figures[name]);
            list.append(pair);
        }
        this.note = element('p', 'note');
        const buttons = element('div', 'buttons');
        this.cutter = press(words.cut, () => this.cutOrReconnect());
        this.slower = press(words.slow, () => this.slowOrNot());
        buttons.append(this.cutter, ...(this.readable ? [this.slower] : []));
        buttons.append(press(words.leave, () => this.leave()));
        const head = element('header');
        head.append(title, this.condition);
        this.card.append(head, this.place, list, this.note, buttons);
        this.bench.cards.append(this.card);
    }

    // At the next frame, once for all that has changed until then.
    show() {
        this.due ??= requestAnimationFrame(() => { this.due = null; this.draw(); });
    }

    draw() {
        const { words, language } = this.bench.data, { head } = this.bench;
        const number = value => value.toLocaleString(language);
        const behind = Math.max(0, head.seq - this.seq), late = behind ? Math.max(0, head.at - this.at) : 0;
        const lag = late < 1 ? `${Math.round(late * 1000)} ms` : `${late.toFixed(1)} s`;
        const figures = {
            seq: number(this.seq), lag: `${number(behind)} · ${lag}`, bytes: number(this.bytes),
            reconnects: number(this.resumes), merged: number(this.merged),
            wrong: `${number(this.missing)} / ${number(this.twice)}`,
        };
        for (const [name, value] of Object.entries(figures)) this.figures[name].textContent = value;
        this.card.dataset.state = this.state;
        this.condition.textContent = this.bench.word(this.state);
        this.cutter.textContent = ['cut', 'refused'].includes(this.state) ? words.reconnect : words.cut;
        this.cutter.disabled = this.slower.disabled = Boolean(this.status);
        this.slower.setAttribute('aria-pressed', this.slow);
        const local = ['not_local', 'foreign_host'].includes(this.code);
        this.note.textContent = this.state === 'refused' ? (local ? words.note_local : words.note_refused)
            : this.gaps ? words.note_gap : this.slow && !this.status ? words.note_slow
            : this.kind === 'late' ? this.bench.data.late.replace('{seq}', number(this.joined)) : '';
        if (!this.place.matches(':hover, :focus')) this.place.scrollTop = this.place.scrollHeight;
    }
}

// The server speaks gRPC for the browser; the card shows what it has by now.
class RemoteClient extends Client {
    connect() { this.set('connecting'); }

    update({ text, state, ...figures }) {
        Object.assign(this, figures);
        this.bench.reached(this.seq, this.at);
        if (text !== this.text) this.write(text, true);
        if (state === 'whole' && this.byHand && !this.gaps) this.bench.tell('resumed', this.bench.run);
        if (state !== this.state) this.set(state);
        this.show();
    }

    cutOrReconnect() {
        const cut = this.state === 'cut' || this.state === 'refused';
        this.byHand ||= cut && this.bench.head.seq > this.seq;
        this.bench.ask(cut ? 'connect' : 'cut');
    }

    leave() {
        this.bench.ask('leave');
        this.bench.remote = null;
        super.leave();
    }
}

class Bench {
    constructor(root) {
        this.clients = new Set();
        [this.bar, this.cards, this.spoken] = ['.bar', '.cards', '.spoken'].map(place => root.querySelector(place));
    }

    update(data, tell, trigger) {
        this.tell = tell;
        this.ask = what => trigger('remote', what);
        this.data = data;
        if (this.run !== data.run) this.begin(data.run);
        this.reached(...data.head);
        if (data.remote && !this.remote) this.add('grpc');
        if (data.remote) this.remote.update(data.remote);
    }

    begin(run) {
        this.end();
        Object.assign(this, { run, head: { seq: 0, at: 0 }, numbers: {}, remote: null });
        this.cards.replaceChildren();
        this.buildBar();
        for (const kind of ['sse', 'websocket']) this.add(kind);
    }

    end() {
        for (const client of this.clients) { client.close(); client.state = 'left'; }
        this.clients.clear();
        this.run = '';
    }

    add(kind) {
        const number = this.numbers[kind] = (this.numbers[kind] ?? 0) + 1;
        const client = new (kind === 'grpc' ? RemoteClient : Client)(this, kind, `${this.data.words[kind]} ${number}`);
        this.clients.add(client);
        if (kind === 'grpc') this.remote = client;
        this.drawBar();
    }

    reached(seq, at) {
        if (seq > this.head.seq) this.head = { seq, at };
        for (const client of this.clients) client.show();
    }

    word(state) { return this.data.words[{ cut: 'is_cut', slow: 'slowed' }[state] ?? state]; }

    say(sentence) { this.spoken.textContent = sentence; }

    buildBar() {
        const { words } = this.data;
        this.bar.setAttribute('aria-label', words.add);
        this.adders = ['sse', 'websocket', 'late'].map(kind => {
            const button = press(`+ ${words[kind]}`, () => this.add(kind));
            button.dataset.kind = kind;
            return button;
        });
        this.note = element('span', 'note');
        this.bar.replaceChildren(element('span', 'label', words.add), ...this.adders, this.note);
    }

    drawBar() {
        const full = this.clients.size >= CARDS, streams = [...this.clients].filter(client => client.streams).length;
        for (const button of this.adders) {
            button.disabled = full || (button.dataset.kind !== 'websocket' && streams >= STREAMS);
        }
        this.note.textContent = this.adders.some(button => button.disabled) ? this.data.words.full : '';
    }
}

export default function({ data, parentElement, setStateValue, setTriggerValue }) {
    const root = parentElement.querySelector('.relay');
    const bench = benches.get(root) ?? new Bench(root);
    benches.set(root, bench);
    bench.update(data, setStateValue, setTriggerValue);
    return () => bench.end();
}
"""

_component = st.components.v2.component("relay_clients", html=_HTML, css=_CSS, js=_JS)


@dataclass(frozen=True, slots=True)
class Moment:
    """What the gateway has come to at a time, in seconds of a monotonic clock. Counts are since its start.

    `first_events` are how many clients waited at most so many seconds for their first event, by that bound.
    """

    at: float
    followers: Mapping[str, int]
    events: int
    reconnects: int
    first_events: Mapping[float, int]
    disconnects: Mapping[str, int]
    live: int


def moment(at: float, samples: Iterable[Sample]) -> Moment:
    """Of the gateway's figures what the page shows."""
    sums: dict[tuple[str, str], float] = {}
    for sample in samples:
        labels = sample.labels
        label = labels.get("reason") or labels.get("le") or labels.get("protocol", "")
        name = sample.name.removeprefix("streamlab_")
        for key in {(name, label), (name, "")}:
            sums[key] = sums.get(key, 0) + sample.value

    def by_label(name: str) -> dict[str, int]:
        return {label: int(value) for (of, label), value in sums.items() if of == name and label}

    def total(name: str) -> int:
        return int(sums.get((name, ""), 0))

    return Moment(
        at,
        by_label("followers"),
        total("events_sent_total"),
        total("reconnects_total"),
        {float(bound): count for bound, count in by_label("first_event_seconds_bucket").items()},
        by_label("disconnects_total"),
        total("runs_live"),
    )


def draw_controls(start: Callable[[], None]) -> DeltaGenerator:
    """The question and the button that starts; gives the place for what belongs to a run."""
    with st.container(border=True):
        st.session_state.setdefault(QUESTION, t("relay.question_default"))
        st.text_area(t("relay.question"), key=QUESTION, height=68, persist_state="session")
        with st.container(horizontal=True, vertical_alignment="center"):
            st.button(t("relay.start"), key="relay.start", type="primary", icon=":material/play_arrow:", on_click=start)
            place = st.container(horizontal=True, width="content")
            sidebar.draw_tools_switch()
    return place


def draw_link(link: str) -> None:
    """How other devices come to follow the same run."""
    with st.popover(t("relay.share"), icon=":material/qr_code_2:"):
        st.markdown(t("relay.share_what"))
        st.code(link, language=None, wrap_lines=True)
        code = segno.make(link, micro=False).svg_inline(scale=5, border=4, dark="#000", light="#fff")
        st.image(code, alt=t("relay.qr_alt", link=link))
        if urlsplit(link).hostname in ("localhost", "127.0.0.1", "::1"):
            st.info(t("relay.share_local"), icon=":material/info:")


def draw_clients(
    run_id: str, token: str, head: tuple[int, float], remote: "Look | None", act: Callable[[str], None]
) -> str | None:
    """The cards. `token` reads the run; `head` is the log's last event, its seq and time; `remote` is what the client
    on the server has, and `act` is told what that is to do: "cut", "connect" or "leave".

    Answers the id of a run of which a client here was cut, resumed, and then had all of its text.
    """

    def asked() -> None:
        if what := st.session_state[CLIENTS].remote:
            act(what)

    result = _component(
        key=CLIENTS,
        data={
            "run": run_id,
            "token": token,
            "head": head,
            "remote": asdict(remote) if remote else None,
            "language": st.session_state["lang"],
            "late": t("relay.card_note_late", seq="{seq}"),
            "words": {name: t(f"relay.card_{name}") for name in WORDS},
        },
        on_resumed_change=lambda: None,
        on_remote_change=asked,
    )
    resumed: str | None = result.resumed
    return resumed


def was_resumed() -> bool:
    """Whether a client of this session was cut, resumed, and then had all of its text."""
    return bool(getattr(st.session_state.get(CLIENTS), "resumed", None))


def draw_figures(moments: Sequence[Moment]) -> None:
    """Of the newest of these, and how it came to it."""
    now, rates = moments[-1], _rates(moments)
    with st.container(horizontal=True):
        st.metric(t("relay.followers"), sum(now.followers.values()), help=t("relay.followers_help"), border=True)
        rate = f"{rates[-1][1]:.0f}" if rates else "–"
        st.metric(t("relay.rate"), rate, help=t("relay.rate_help"), border=True)
        st.metric(t("relay.resumed"), now.reconnects, help=t("relay.resumed_help"), border=True)
        disconnects = sum(now.disconnects.values())
        st.metric(t("relay.disconnects"), disconnects, help=t("relay.disconnects_help"), border=True)
        st.metric(t("relay.live"), now.live, help=t("relay.live_help"), border=True)
    left, right = st.columns(2, gap="large")
    with left:
        _draw_followers(moments)
        _draw_first_events(now.first_events)
    with right:
        _draw_rate(now.at, rates)
        _draw_disconnects(now.disconnects)


def _rates(moments: Sequence[Moment]) -> list[tuple[float, float]]:
    """Events a second between one moment and the next, at the later one."""
    return [(after.at, (after.events - before.events) / (after.at - before.at)) for before, after in pairwise(moments)]


def _draw_followers(moments: Sequence[Moment]) -> None:
    now = moments[-1]
    rows = [
        {"x": moment.at - now.at, "y": moment.followers.get(protocol, 0), "who": name}
        for moment in moments
        for protocol, name in PROTOCOLS.items()
    ]
    counts = {PROTOCOLS[protocol]: count for protocol, count in now.followers.items()}
    _draw("followers", t("relay.chart_followers"), rows, t("relay.alt_followers", counts=_listed(counts)))


def _draw_rate(now: float, rates: Sequence[tuple[float, float]]) -> None:
    rows = [{"x": at - now, "y": rate} for at, rate in rates]
    newest, most = rates[-1][1] if rates else 0, max((rate for _, rate in rates), default=0)
    _draw("rate", t("relay.chart_rate"), rows, t("relay.alt_rate", now=f"{newest:.0f}", most=f"{most:.0f}"))


def _draw_first_events(counts: Mapping[float, int]) -> None:
    """The counts are of all up to a bound; a bar has those between two."""
    bars, below, last = dict[str, int](), 0, 0.0
    for bound, count in sorted((dict.fromkeys((*BUCKETS, inf), 0) | dict(counts)).items()):
        bars[f"≤ {bound:g} s" if isfinite(bound) else f"> {last:g} s"] = count - below
        below, last = count, bound
    _draw("first_events", t("relay.chart_first"), _bars(bars), t("relay.alt_first", counts=_listed(bars)))


def _draw_disconnects(counts: Mapping[str, int]) -> None:
    bars = {t(f"relay.reason_{reason}"): counts.get(reason, 0) for reason in REASONS}
    alternative = t("relay.alt_disconnects", counts=_listed(bars))
    _draw("disconnects", t("relay.chart_disconnects"), _bars(bars), alternative)


def _bars(counts: Mapping[str, int]) -> Rows:
    return [{"x": name, "y": count} for name, count in counts.items()]


def _listed(counts: Mapping[str, int]) -> str:
    """What is not 0, or that all of it is."""
    return ", ".join(f"{name}: {count}" for name, count in counts.items() if count) or "0"


def _draw(name: str, title: str, rows: Rows, alternative: str) -> None:
    """A small chart; only its rows change from one second to the next."""
    st.caption(title)
    spec = _specs(t("relay.axis_ago"))[name]
    spec["datasets"] = dict.fromkeys(spec["datasets"], rows)
    st.vega_lite_chart(spec=spec, key=f"relay.chart.{name}", alt=alternative)


@st.cache_data(max_entries=10, show_spinner=False)
def _specs(ago: str) -> dict[str, dict[str, Any]]:
    """The charts as Vega-Lite, without their rows. `ago` is the title of the axis of time."""
    chart = alt.Chart(alt.InlineData(values=[]))
    time = alt.X("x:Q", title=ago, scale=alt.Scale(domain=[-WINDOW, 0], clamp=True))
    counts: dict[str, Any] = {"title": None, "scale": alt.Scale(domainMin=0), "axis": alt.Axis(tickMinStep=1)}
    names = list(PROTOCOLS.values())
    hues = alt.Scale(domain=names, range=[colors.MODEL, colors.TOOL, colors.THINKING])
    dashes = alt.Scale(domain=names, range=[[1, 0], [6, 3], [2, 2]])
    charts = {
        "followers": chart.mark_line(interpolate="step-after").encode(
            x=time,
            y=alt.Y("y:Q", **counts),
            color=alt.Color("who:N", title=None, scale=hues, legend=alt.Legend(orient="top")),
            strokeDash=alt.StrokeDash("who:N", title=None, scale=dashes),
        ),
        "rate": chart.mark_area(color=colors.MODEL, opacity=0.7).encode(x=time, y=alt.Y("y:Q", **counts)),
        "first_events": chart.mark_bar(color=colors.MODEL).encode(
            x=alt.X("x:N", title=None, sort=None, axis=alt.Axis(labelAngle=-45, labelOverlap=False)),
            y=alt.Y("y:Q", **counts),
        ),
        "disconnects": chart.mark_bar(color=colors.WAITING).encode(
            x=alt.X("y:Q", **counts), y=alt.Y("x:N", title=None, sort=None, axis=alt.Axis(labelLimit=220))
        ),
    }
    return {name: chart.properties(height=CHART_HEIGHT, width="container").to_dict() for name, chart in charts.items()}
