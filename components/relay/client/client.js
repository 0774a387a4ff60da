// The clients of a run: each follows it by the project's own library, and counts what it gets. They draw nothing; who
// shows one is told by `changed`. With streaming_lab_client.js, card.js and bench.js this is one module.

const BITE = 50;             // bytes that a slow client reads at a time
const REST = 250;            // milliseconds until the next
const BEHIND = 64;           // events after which a slow client resumes, to be sent the rest merged
const STATES = { connecting: 'connecting', open: 'open', waiting: 'lost' };  // by what the library says of a connection
const COUNTED = 100;         // milliseconds between two counts of what a client has read
const SOON = 5;              // words that a client may be behind for a moment
const utf8 = new TextEncoder();
const pause = milliseconds => new Promise(resolve => setTimeout(resolve, milliseconds));

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
        Object.assign(this, { transcript: new StreamingLab.Transcript(), answer: null, position: undefined });
        Object.assign(this, { seq: 0, at: 0, late: 0, bytes: 0, resumes: 0, merged: 0, missing: 0, twice: 0, gaps: 0 });
        Object.assign(this, { joined: bench.head.seq, byHand: false, close: () => {}, changed: () => {} });
    }

    get text() { return this.transcript.text; }

    get readable() { return ['sse', 'late'].includes(this.kind); }  // piece by piece, as slowly as one likes

    get streams() { return this.readable && ['connecting', 'open', 'lost'].includes(this.state); }

    get whole() { return this.status === 'completed' && this.text === this.answer && !this.missing && !this.twice; }

    get behind() { return Math.max(0, this.bench.head.seq - this.seq); }

    get lag() { return this.behind ? Math.max(this.late, this.bench.head.at - this.at) : this.late; }

    // How much text it has, in the unit of the run: words, or characters where there are no spaces between words.
    // Counted anew ten times a second at most, until all of it is there.
    get read() {
        const { status } = this, { unit } = this.bench.data, now = performance.now(), last = this.counted;
        if (last?.unit === unit && last.status === status && (status || now < last.due)) return last.amount;
        const words = this.text.match(/\S+/g) ?? [];
        const amount = unit === 'words' ? words.length : [...words.join('')].length;
        this.counted = { unit, status, due: now + COUNTED, amount };
        return amount;
    }

    get unread() { return this.behind ? Math.max(0, this.bench.written - this.read) : 0; }

    get reads() { return ['open', 'whole', 'ended', 'differs'].includes(this.state); }

    get delayed() { return this.unread > SOON || this.isCut; }

    get isCut() { return ['cut', 'refused'].includes(this.state); }

    connect() {
        this.close();
        const connection = new AbortController();
        this.close = () => connection.abort();
        this.follow(connection.signal);
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

    // The library comes back by itself whenever a connection is lost; what it throws is final.
    async follow(signal) {
        const over = this.readable
            ? { protocol: 'sse', fetch: this.meteredFetch() }
            : { protocol: 'websocket', WebSocket: this.meteredSocket() };
        const stream = StreamingLab.follow(this.bench.data.api, this.bench.run, {
            ...over,
            signal,
            after: this.position,
            token: this.tokens(signal),
            attempts: Infinity,
            onConnection: connection => this.connected(connection, signal),
        });
        try {
            for await (const event of stream) {
                this.position = stream.position;
                this.take(event);
            }
        } catch (error) {
            if (signal.aborted) return;
            this.code = error.code;
            this.set('refused');
        }
    }

    // Asked for a token once more, when the last one was refused or its time is over, it waits for the page's next one.
    tokens(signal) {
        let last;
        return async () => {
            while (this.bench.data.token === last && !signal.aborted) await pause(REST);
            return last = this.bench.data.token;
        };
    }

    connected(connection, signal) {
        if (signal.aborted) return;
        if (connection === 'open' && this.position) this.resumes += 1;
        this.set(STATES[connection]);
    }

    meteredFetch() {
        return async (...request) => {
            const response = await fetch(...request);
            return response.body ? new Response(this.metered(response.body.getReader()), response) : response;
        };
    }

    // What the reader gives, counted. Slowly: nothing more is asked of the connection until what it gave has been read,
    // a bite at a time.
    metered(reader) {
        let rest = new Uint8Array();
        const pull = async body => {
            if (!rest.length) {
                const { value, done } = await reader.read();
                if (done) return body.close();
                rest = value;
            }
            const bite = rest.subarray(0, this.slow ? BITE : rest.length);
            rest = rest.subarray(bite.length);
            this.bytes += bite.length;
            body.enqueue(bite);
            if (this.slow) await pause(REST);
        };
        return new ReadableStream({ pull, cancel: reason => reader.cancel(reason) }, { highWaterMark: 0 });
    }

    meteredSocket() {
        const count = ({ data }) => { this.bytes += utf8.encode(data).length; };
        return class extends WebSocket {
            constructor(url) {
                super(url);
                this.addEventListener('message', count);
            }
        };
    }

    take(event) {
        this.transcript.observe(event);
        if (event.type === 'gap') this.gaps += 1;
        else if (event.type === 'snapshot') this.seq = event.seq;
        else this.count(event);
        if (event.type === 'final_answer') this.answer = event.content;
        if (event.type === 'done') this.finish(event.status);
        else if (this.slow && this.behind > BEHIND) this.connect();
        this.changed();
    }

    count({ seq, seq_from: from = seq, at }) {
        this.missing += Math.max(0, from - this.seq - 1);
        this.twice += Math.max(0, Math.min(this.seq, seq) - from + 1);
        if (from < seq) this.merged += seq - from + 1;
        Object.assign(this, { seq, at, late: this.bench.clock.late(at) });
        this.bench.reached(seq, at);
    }

    finish(status) {
        this.status = status;
        this.set(status !== 'completed' ? 'ended' : this.whole || this.gaps ? 'whole' : 'differs');
        if (this.byHand && this.whole) this.bench.tell('resumed', this.bench.run);
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
    told = { text: '', behind: 0, unread: 0, lag: 0 };

    get text() { return this.told.text; }

    get behind() { return this.told.behind; }

    get unread() { return this.told.unread; }

    get lag() { return this.told.lag; }

    connect() {}

    update({ text, state, behind, unread, lag, ...figures }) {
        Object.assign(this, figures, { told: { text, behind, unread, lag } });
        this.bench.reached(this.seq, this.at);
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
