// The pair that is being measured, drawn as a race: its calls are made one after the other, and each that was made
// before runs again beside the one that is made now, from the same zero. The clocks run here, by what the page's script
// has told: a little late, so that what is to be shown next is known by then, and a clock stops where its call stopped.

const LATE = 900;     // milliseconds; the script looks each 500
const HOLD = 1200;    // for which the end of a pair is shown, where its calls take several times as long
const STEP = 100;     // between two drawings: more would be work for the machine that measures
const MANY = 12;      // pairs, from which on they are dots without words
const races = new WeakMap();

class Race {
    constructor(root) {
        [this.place, this.pairs, this.note] = ['.lanes', '.pairs', '.note'].map(name => root.querySelector(name));
        this.calls = new Map();   // by their number in the plan's order
    }

    update(data) {
        if (this.id !== data.id) this.begin(data);
        this.data = data;
        for (const call of data.calls) this.hear(call);
        this.drawPairs();
        this.draw();
        this.timer ??= setInterval(() => this.draw(), STEP);
    }

    begin(data) {
        Object.assign(this, { id: data.id, limit: data.limit, said: '' });
        this.calls.clear();
        this.lanes = data.lanes.map(name => new Lane(name));
        this.place.replaceChildren(...this.lanes.map(lane => lane.node));
    }

    // `age` is how long ago a call began, and only of the one that is being made.
    hear(told) {
        const known = this.calls.get(told.number);
        let start = known?.start;
        if (told.age != null && (start == null || known.again !== told.began)) start = performance.now() - told.age * 1000 + LATE;
        if (start == null && this.watched(told.number)) start = performance.now() - (told.end ?? 0) * 1000 + LATE;
        this.calls.set(told.number, { ...told, start, again: told.began ?? known?.again });
    }

    // What was made before this page looked is there from the beginning; what came so fast that no look saw it begin, not.
    watched(number) { return [...this.calls.values()].some(call => call.start != null && call.number < number); }

    stop() { clearInterval(this.timer); this.timer = undefined; }

    draw() {
        const now = performance.now();
        const begun = [...this.calls.values()].filter(call => call.start == null || call.start + this.held(call) <= now);
        const current = begun.filter(call => call.start != null).pop();
        const shown = begun.filter(call => !current || call.number <= current.number);
        const latest = this.lanes.map((_, index) => shown.filter(call => call.lane === index).pop());
        let clock = current ? (now - current.start) / 1000 : Infinity;
        if (current?.end != null) clock = Math.min(clock, Math.max(...latest.map(call => call?.end ?? 0)));
        const reached = latest.map(call => Math.min(clock, call?.end ?? clock)).filter(Number.isFinite);
        this.limit = Math.max(this.limit, ...reached.map(seconds => seconds * 1.08));
        this.lanes.forEach((lane, index) => this.drawLane(lane, latest[index], current, clock));
        this.say(current);
    }

    held(call) {
        const before = this.calls.get(call.number - 1);
        return before?.start != null && before.pair !== call.pair && this.limit * 1000 > 4 * HOLD ? HOLD : 0;
    }

    drawLane(lane, call, current, clock) {
        const { words } = this.data;
        if (!call) {
            lane.show({ state: 'idle', text: current ? words.turn : words.starting });
            return;
        }
        const past = Boolean(current && call.pair < current.pair);
        if (call.error) {
            lane.show({ state: 'failed', past, text: words.failed });
            return;
        }
        const end = call.end != null && clock >= call.end, at = end ? call.end : clock;
        const first = call.first != null && at >= call.first ? call.first : null;
        const shares = [first ?? at, at].map(seconds => Math.min(1, seconds / this.limit));
        const state = end ? 'whole' : first == null ? 'waiting' : 'reading';
        const key = end && first === call.end ? 'at_once' : state;
        const text = words[key].replace('{first}', this.seconds(first ?? 0)).replace('{end}', this.seconds(at));
        lane.show({ state, past, shares, clock: this.seconds(at), text: past ? `${text} · ${words.past}` : text });
    }

    say(current) {
        const { words } = this.data;
        const text = !current ? '' : current.pair ? words.note : words.warm_up;
        if (text !== this.said) this.note.textContent = this.said = text;
    }

    seconds(value) { return this.data.words.seconds.replace('{value}', value.toFixed(1)); }

    drawPairs() {
        const many = this.data.pairs.length > MANY;
        this.pairs.classList.toggle('many', many);
        const items = this.data.pairs.map(({ state, text }) => {
            const item = document.createElement('li');
            item.dataset.state = state;
            if (many) { item.title = text; item.setAttribute('aria-label', text); } else item.textContent = text;
            return item;
        });
        this.pairs.replaceChildren(...items);
    }
}

class Lane {
    constructor(name) {
        this.node = this.element('div', 'lane');
        this.clock = this.element('span', 'clock');
        const track = this.element('div', 'track');
        track.setAttribute('aria-hidden', 'true');
        [this.waiting, this.reading] = ['waiting', 'reading'].map(kind => this.element('div', kind));
        track.append(this.waiting, this.reading);
        this.state = this.element('span', 'state');
        this.node.append(this.element('span', 'name', name), this.clock, track, this.state);
    }

    element(tag, kind, text = '') {
        const made = document.createElement(tag);
        made.className = kind;
        made.textContent = text;
        return made;
    }

    show({ state, past = false, shares: [first, at] = state === 'failed' ? [1, 1] : [0, 0], clock = '', text }) {
        this.node.dataset.state = state;
        this.node.dataset.past = past;
        this.waiting.style.width = `${first * 100}%`;
        Object.assign(this.reading.style, { left: `${first * 100}%`, width: `${(at - first) * 100}%` });
        this.write(this.clock, clock);
        this.write(this.state, text);
    }

    write(place, text) { if (place.textContent !== text) place.textContent = text; }
}

export default function({ data, parentElement }) {
    const root = parentElement.querySelector('.race');
    const race = races.get(root) ?? new Race(root);
    races.set(root, race);
    race.update(data);
    return () => { if (!root.isConnected) race.stop(); };  // called too when a newer run overtakes this
}
