// All clients of the page, and the bar that adds more. The page's script runs again and again, and each time brings
// a token, the end of the log and what the client on the server has; the connections stay until the page is left.

const CARDS = 8;
const STREAMS = 4;           // a browser opens six HTTP/1.1 connections to one server, and the page needs some itself
const TOLD = ['cut', 'lost', 'refused', 'whole', 'differs', 'ended'];  // states that a screen reader is to say
const benches = new WeakMap();

class Bench {
    constructor(root) {
        this.cardOf = new Map();
        const places = ['.sums', '.bar', '.cards', '.spoken'].map(place => root.querySelector(place));
        [this.sums, this.bar, this.cards, this.spoken] = places;
    }

    get clients() { return [...this.cardOf.keys()]; }

    get remote() { return this.clients.find(client => client.kind === 'grpc'); }

    update(data, tell, trigger) {
        Object.assign(this, { data, tell, trigger });
        if (this.run !== data.run) this.begin(data.run);
        if (this.unit !== data.unit) Object.assign(this, { unit: data.unit, most: 0 });  // another count
        this.most = Math.max(this.most, data.written);
        this.reached(...data.head);
        this.left &&= Boolean(data.remote);
        if (!data.remote || this.left) return;
        if (!this.remote) this.add('grpc');
        this.remote.update(data.remote);
    }

    // What has been left may still be told of, until the page has heard of it.
    ask(what) {
        this.left = what === 'leave';
        this.trigger('remote', what);
    }

    begin(run) {
        this.end();
        Object.assign(this, { run, head: { seq: 0, at: 0 }, clock: new Clock(), numbers: {}, left: false });
        Object.assign(this, { most: 0, gone: { sent: 0, comebacks: 0, lost: 0 } });
        this.buildSums();
        this.cards.replaceChildren();
        this.buildBar();
        for (const kind of ['sse', 'websocket']) this.add(kind);
    }

    end() {
        for (const client of this.clients) { client.close(); client.state = 'left'; }
        this.cardOf.clear();
        this.run = '';
    }

    // How much of the answer is written, as far as anybody here knows.
    get written() { return this.most = Math.max(this.most, ...this.clients.map(client => client.read)); }

    // What a newcomer asks for: how many read, what they were sent, who came back, and what was lost by that.
    buildSums() {
        const { words } = this.data;
        this.sumOf = {};
        this.sums.replaceChildren(...['readers', 'sent', 'comebacks', 'lost'].map(name => {
            const pair = element('div');
            this.sumOf[name] = element('dd', name, '0');
            pair.append(element('dt', '', words[`sum_${name}`] ?? words.sum_sent_words), this.sumOf[name]);
            return pair;
        }));
    }

    drawSums() {
        const { clients, gone } = this, { words, unit, language } = this.data;
        const sum = of => clients.map(of).reduce((one, other) => one + other, 0);
        const said = {
            readers: sum(client => Number(client.reads)),
            sent: gone.sent + sum(client => client.read),
            comebacks: gone.comebacks + sum(client => client.resumes),
            lost: gone.lost + sum(client => client.missing),
        };
        for (const [name, value] of Object.entries(said)) {
            this.sumOf[name].textContent = value.toLocaleString(language);
        }
        this.sumOf.sent.previousElementSibling.textContent = words[`sum_sent_${unit}`];
        this.sumOf.lost.classList.toggle('bad', said.lost > 0);
    }

    add(kind) {
        const number = this.numbers[kind] = (this.numbers[kind] ?? 0) + 1;
        const client = new (kind === 'grpc' ? RemoteClient : Client)(this, kind, `${this.data.words[kind]} ${number}`);
        const card = new Card(this, client);
        this.cardOf.set(client, card);
        this.cards.append(card.node);
        client.connect();
        card.show();
        this.drawBar();
    }

    remove(client) {
        this.gone.sent += client.read;
        this.gone.comebacks += client.resumes;
        this.gone.lost += client.missing;
        this.cardOf.delete(client);
        this.drawSums();
        this.drawBar();
    }

    reached(seq, at) {
        if (seq <= this.head.seq) return;
        this.head = { seq, at };
        for (const card of this.cardOf.values()) card.show();
    }

    noted(client) {
        if (TOLD.includes(client.state)) {
            this.spoken.textContent = `${client.name}: ${this.data.words[`state_${client.state}`]}`;
        }
        this.drawBar();
    }

    buildBar() {
        const { words, served } = this.data;
        this.bar.setAttribute('aria-label', words.add);
        this.adders = ['sse', 'websocket', ...(served ? ['grpc'] : []), 'late'].map(kind => {
            const button = press(`+ ${words[kind]}`, () => kind === 'grpc' ? this.ask('join') : this.add(kind));
            button.dataset.kind = kind;
            return button;
        });
        this.full = element('span', 'note');
        this.bar.replaceChildren(element('span', 'label', words.add), ...this.adders, this.full);
    }

    drawBar() {
        const crowded = this.cardOf.size >= CARDS;
        const busy = crowded || this.clients.filter(client => client.streams).length >= STREAMS;
        const barred = { sse: busy, late: busy, websocket: crowded, grpc: crowded || Boolean(this.remote) };
        for (const button of this.adders) button.disabled = barred[button.dataset.kind];
        this.full.textContent = busy ? this.data.words.full : '';
    }
}

export default function({ data, parentElement, setStateValue, setTriggerValue }) {
    const root = parentElement.querySelector('.relay');
    const bench = benches.get(root) ?? new Bench(root);
    benches.set(root, bench);
    bench.update(data, setStateValue, setTriggerValue);
    return () => { if (!root.isConnected) bench.end(); };  // called too when a newer run of the script overtakes this
}
