// The clients of a run: each has a connection, a place in the log, and counts what it gets. They draw nothing; who
// shows one is told by `changed`. With card.js and bench.js this is one module.

const BITE = 50;             // bytes that a slow client reads at a time
const REST = 250;            // milliseconds until the next
const BEHIND = 64;           // events after which a slow client resumes, to be sent the rest merged
const AGAIN = 1000;          // milliseconds until a lost client comes back, then twice as long
const LONGEST = 10000;
const utf8 = new TextEncoder();
const pause = milliseconds => new Promise(resolve => setTimeout(resolve, milliseconds));

// https://html.spec.whatwg.org/multipage/server-sent-events.html, as much of it as the gateway sends
class EventLines {
    constructor(take) {
        Object.assign(this, { take, text: '', fields: {}, decoder: new TextDecoder() });
    }

    feed(bytes) {
        const lines = (this.text + this.decoder.decode(bytes, { stream: true })).split('\n');
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

// Tells how late an event came, in seconds, against the one that came fastest so far: the server's clock is not ours.
class Clock {
    constructor() { this.offset = Infinity; }

    late(at) {
        const now = performance.now() / 1000;
        this.offset = Math.min(this.offset, now - at);
        return now - this.offset - at;
    }
}

class Client {
    constructor(bench, kind, name) {
        Object.assign(this, { bench, kind, name, state: 'connecting', status: '', code: '', slow: false });
        Object.assign(this, { token: '', seq: 0, at: 0, late: 0, step: 1, text: '', rewrites: 0, answer: null });
        Object.assign(this, { bytes: 0, resumes: 0, merged: 0, missing: 0, twice: 0, gaps: 0, tries: 0 });
        Object.assign(this, { joined: bench.head.seq, byHand: false, close: () => {}, changed: () => {} });
    }

    get readable() { return ['sse', 'late'].includes(this.kind); }  // piece by piece, as slowly as one likes

    get streams() { return this.readable && ['connecting', 'open', 'lost'].includes(this.state); }

    get whole() { return this.status === 'completed' && this.text === this.answer && !this.missing && !this.twice; }

    get behind() { return Math.max(0, this.bench.head.seq - this.seq); }

    get lag() { return this.behind ? Math.max(this.late, this.bench.head.at - this.at) : this.late; }

    get isCut() { return ['cut', 'refused'].includes(this.state); }

    connect() {
        this.close();
        this.set('connecting');
        this.close = this.kind === 'websocket' ? this.openSocket() : this.openStream();
    }

    cutOrReconnect() {
        if (this.isCut) {
            this.byHand ||= this.behind > 0;
            this.connect();
        } else {
            this.close();
            this.set('cut');
        }
    }

    slowOrNot() {
        this.slow = !this.slow;
        this.changed();
    }

    leave() {
        this.close();
        this.state = 'left';
    }

    address(scheme, end) {
        const url = new URL(`/api/runs/${this.bench.run}/${end}`, location.origin);
        url.protocol = scheme + (location.protocol === 'https:' ? 's:' : ':');
        url.searchParams.set('token', this.bench.data.token);
        if (this.token) url.searchParams.set('after', this.token);
        return url;
    }

    openStream() {
        const abort = new AbortController();
        this.stream(abort.signal);
        return () => abort.abort();
    }

    async stream(signal) {
        try {
            const headers = { Accept: 'text/event-stream' };
            const response = await fetch(this.address('http', 'events'), { headers, signal, cache: 'no-store' });
            if (!response.ok) {
                this.turnedAway(response.status, (await response.json()).error.code);
                return;
            }
            await this.read(response.body.getReader(), signal);
        } catch (error) {
            if (!signal.aborted) console.debug(error);
        }
        if (!signal.aborted) this.broken();
    }

    // Slowly: nothing more is asked of the connection until what it gave has been read, a bite at a time.
    async read(reader, signal) {
        const lines = new EventLines(entry => this.take(entry));
        while (!signal.aborted) {
            const { value, done } = await reader.read();
            if (done) return;
            for (let from = 0; from < value.length && !signal.aborted;) {
                const bite = value.subarray(from, this.slow ? from + BITE : value.length);
                from += bite.length;
                await this.swallow(bite, lines);
            }
        }
    }

    async swallow(bite, lines) {
        const before = this.seq;
        this.bytes += bite.length;
        lines.feed(bite);
        this.changed();
        if (!this.slow) return;
        if (this.seq > before && this.behind > BEHIND) this.connect(); else await pause(REST);
    }

    openSocket() {
        const socket = new WebSocket(this.address('ws', 'ws'));
        let left = false;
        socket.onmessage = ({ data }) => {
            if (left) return;
            this.bytes += utf8.encode(data).length;
            this.take(JSON.parse(data));
        };
        socket.onclose = ({ code, reason }) => {
            if (left) return;
            if (code > 4000) this.turnedAway(code - 4000, reason); else this.broken();
        };
        return () => { left = true; socket.close(); };
    }

    take({ id, event, data }) {
        if (event === 'open') {
            if (this.token) this.resumes += 1;
            this.tries = 0;
            this.set('open');
        } else if (event === 'gap') {
            this.gaps += 1;
        } else if (event === 'snapshot') {
            Object.assign(this, { seq: data.seq, step: data.step });
            this.rewrite(data.text);
        } else if (id) {
            this.token = id;
            this.count(data);
            this.observe(data);
        }
        this.changed();
    }

    count({ seq, seq_from: from = seq, at }) {
        this.missing += Math.max(0, from - this.seq - 1);
        this.twice += Math.max(0, Math.min(this.seq, seq) - from + 1);
        if (from < seq) this.merged += seq - from + 1;
        Object.assign(this, { seq, at, late: this.bench.clock.late(at) });
        this.bench.reached(seq, at);
    }

    observe({ type, step, content, status }) {
        if (type !== 'tool_result' && (type === 'retry' || step !== this.step)) {
            this.step = step;
            this.rewrite('');
        }
        if (type === 'text_delta') this.text += content;
        if (type === 'final_answer') this.answer = content;
        if (type === 'done') this.finish(status);
    }

    rewrite(text) {
        this.text = text;
        this.rewrites += 1;
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

    set(state) {
        if (this.state === 'left' || state === this.state) return;
        this.state = state;
        this.bench.noted(this);
        this.changed();
    }
}

// The server speaks gRPC for the browser, and the page tells what its client has by now.
class RemoteClient extends Client {
    told = { behind: 0, lag: 0 };

    get behind() { return this.told.behind; }

    get lag() { return this.told.lag; }

    connect() {}

    update({ text, state, behind, lag, ...figures }) {
        Object.assign(this, figures, { told: { behind, lag } });
        this.bench.reached(this.seq, this.at);
        if (text !== this.text) this.rewrite(text);
        if (state === 'whole' && this.byHand && !this.gaps) this.bench.tell('resumed', this.bench.run);
        this.set(state);
        this.changed();
    }

    cutOrReconnect() {
        this.byHand ||= this.isCut && this.behind > 0;
        this.bench.ask(this.isCut ? 'connect' : 'cut');
    }

    leave() {
        this.bench.ask('leave');
        super.leave();
    }
}
