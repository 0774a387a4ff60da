// The lanes of a run, or of two, on one time axis: they grow by themselves while the run is live, and a playhead tells
// how far it is shown. The server says what began and what ended; between that the browser counts. With ties.js this is
// one module.

const TICK = 100;  // milliseconds between two looks at what grows
const STEPS = [0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1800, 3600];  // seconds between two marks

const made = (tag, kind, text = '') => {
    const node = document.createElement(tag);
    node.className = kind;
    node.textContent = text;
    return node;
};
const share = (seconds, end) => `${100 * Math.min(1, Math.max(0, seconds / end))}%`;
const step = (end, marks) => STEPS.find(each => each >= end / marks) ?? Math.ceil(end / marks / 3600) * 3600;

// A live axis has room, so that bars grow into it rather than all of it shrinking all the time.
const ROOM = [5, 10, 15, 20, 30, 45, 60, 90, 120, 180, 300];
const roomy = now => ROOM.find(end => end > now * 1.02) ?? Math.ceil(now * 1.02 / 300) * 300;

class Lanes {
    constructor(root) {
        this.root = root;
        this.pointed = null;
        this.pinned = null;   // what was chosen while the run was live or played again, and no script could be told
        this.bars = [];
        this.ties = new Ties(this);
        root.onpointerdown = event => { this.pressed = event.target.closest('.bar')?.dataset.at; };
        root.onclick = event => this.clicked(event);
        root.onkeydown = event => this.moved(event);
        root.onpointerover = event => this.point(event.target.closest('.bar'));
        root.onpointerleave = () => this.point(null);
        root.onpointermove = event => this.slid(event);
        root.onfocusin = event => this.point(event.target.closest('.bar'));
        root.onfocusout = () => this.point(null);
        this.hear = event => this.told(event.detail);
        window.addEventListener('timeline.told', this.hear);
    }

    update(data, tell, ask) {
        const begun = this.data?.id !== data.id || this.data.mode !== data.mode;
        Object.assign(this, { data, tell, ask, since: performance.now(), ...(begun ? { news: null } : {}) });
        if (this.drawn !== data.id) this.pinned = null;
        this.drawn = data.id;
        clearInterval(this.timer);
        const [act, wait] = { live: ['grow', TICK], replay: ['grow', TICK / 2], still: ['settle', 5 * TICK] }[data.mode];
        this.timer = setInterval(() => this[act](), wait);
        this.draw();
        this.ties.update();
        if (data.mode === 'live') window.dispatchEvent(new CustomEvent('timeline.asked'));
        if (data.mode === 'still' && this.pinned) this.tell('selected', this.pinned);
        this.pinned = data.mode === 'still' ? null : this.pinned;
    }

    // What the server says while its script goes on.
    told(news) {
        if (news.id !== this.data?.id || this.data.mode !== 'live') return;
        Object.assign(this, { news, since: performance.now() });
        this.draw();
    }

    end() {
        clearInterval(this.timer);
        this.ties.end();
        window.removeEventListener('timeline.told', this.hear);
    }

    get runs() { return this.news?.runs ?? this.data.runs; }
    get selected() { return this.pinned ?? this.data.selected; }
    get passed() { return (performance.now() - this.since) / 1000; }
    get now() { return (this.news ?? this.data).now + this.passed; }  // of a live run
    get head() {                                                     // how far the run is shown; null for all of it
        const { mode, head, speed } = this.data;
        return mode === 'replay' ? this.passed * speed : mode === 'live' ? null : head;
    }

    draw() {
        const { words, runs: { length } } = this.data, focused = this.root.querySelector('.bar:focus')?.dataset.at;
        this.bars = [];
        this.pointed = null;
        this.root.classList.toggle('two', length > 1);
        const plot = made('div', 'plot');
        plot.append(...this.rows().map(row => this.row(row)), this.axis = made('div', 'row axis'));
        this.axis.append(made('div', 'label', words.seconds), this.marks = made('div', 'track'));
        plot.append(this.over = made('div', 'over'));
        this.over.append(this.veil = made('div', 'veil'), this.line = made('div', 'line'), this.hint = made('div', 'hint'));
        this.hint.hidden = true;
        const scroll = made('div', 'scroll'), former = this.root.querySelector('.scroll');
        scroll.append(plot);
        const at = former?.scrollLeft ?? 0;
        this.detail = made('div', 'detail');
        this.root.replaceChildren(this.legend(), scroll, this.detail, ...this.ties.excerpt);
        scroll.scrollLeft = at;
        this.drawn_end = null;
        this.grow();
        this.mark();
        if (focused) this.bars.find(each => each.node.dataset.at === focused)?.node.focus({ preventScroll: true });
    }

    // One row for each lane; where there are two runs, those of a lane stand one above the other.
    rows() {
        const names = [...new Set(this.runs.flatMap(run => run.bars.map(bar => bar.lane)))];
        return names.flatMap(lane => this.runs.map((run, number) => ({ lane, number, run }))
            .filter(({ run }) => run.bars.some(bar => bar.lane === lane)));
    }

    row({ lane, number, run }) {
        const row = made('div', 'row'), track = made('div', 'track'), label = made('div', 'label');
        if (this.runs.length > 1) label.append(made('b', `badge run${number}`, run.letter));
        label.append(made('span', '', lane));
        label.title = lane;
        for (const bar of run.bars.filter(each => each.lane === lane)) {
            const node = made('button', `bar ${bar.kind} run${number}`);
            node.type = 'button';
            node.tabIndex = -1;
            node.dataset.at = `${number} ${bar.key}`;
            node.append(made('span', '', `${bar.mark}${bar.mark && ' '}${bar.word}`));
            track.append(node);
            this.bars.push({ ...bar, node, run });
        }
        row.append(label, track);
        return row;
    }

    legend() {
        const { words, runs, kinds } = this.data, legend = made('div', 'legend');
        const items = runs.length > 1
            ? runs.map((run, number) => [`bar writing run${number}`, `${run.letter}: ${run.name}`])
            : Object.entries(kinds).map(([kind, word]) => [`bar ${kind}`, word]);
        for (const [kind, word] of items) {
            const item = made('span', 'item');
            item.append(made('i', kind), made('span', '', word));
            legend.append(item);
        }
        legend.append(made('span', 'item end', words.axis));
        return legend;
    }

    // Draws what time changes: the open bars, the axis where it needs more room, and the playhead.
    grow() {
        const live = this.data.mode === 'live', now = live ? this.now : null, head = this.head;
        const end = live ? roomy(now) : this.data.end;
        const resized = this.drawn_end !== end;
        for (const { node, start, end: until, open } of this.bars) {
            if (!resized && !(open && live)) continue;
            node.style.left = share(start, end);
            node.style.width = share((open && live ? Math.max(now, until) : until) - start, end);
        }
        if (resized) this.draw_marks(end);
        this.line.hidden = this.veil.hidden = head === null && !live;
        this.line.style.left = this.veil.style.left = share(live ? now : head ?? end, end);
        if (this.data.mode !== 'still') this.follow(share(live ? now : head, end));
        this.veil.classList.toggle('dense', this.data.mode === 'replay');
        this.drawn_end = end;
        this.ties.grow();
    }

    // What is tied to the lanes may be drawn after them.
    settle() {
        const there = this.ties.extent;
        if (there !== this.there) this.mark();
        this.there = there;
        this.ties.grow();
    }

    // Keeps the playhead in sight where the lanes are wider than the page.
    follow(at) {
        const scroll = this.over.closest('.scroll'), room = scroll.scrollWidth - scroll.clientWidth;
        if (room > 0) scroll.scrollLeft = Math.max(0, Math.min(room, parseFloat(at) / 100 * this.over.clientWidth - 0.6 * scroll.clientWidth + this.over.offsetLeft));
    }

    draw_marks(end) {
        const by = step(end, 8), digits = by < 1 ? 1 : 0;
        this.marks.replaceChildren(...Array.from({ length: Math.floor(0.97 * end / by) + 1 }, (_, number) => {
            const mark = made('span', 'mark', (number * by).toFixed(digits));
            mark.style.left = share(number * by, end);
            return mark;
        }));
        this.root.style.setProperty('--step', share(by, end));
    }

    // Marks what is chosen, and gives the keyboard one way in.
    mark() {
        const { selected } = this, chosen = this.bar(selected);
        for (const bar of this.bars) {
            const length = (bar.open ? '' : ` ${(bar.end - bar.start).toFixed(2)} s`);
            const name = `${this.runs.length > 1 ? `${bar.run.letter} ` : ''}${bar.lane}: ${bar.kind_word}${length}, ${bar.start.toFixed(2)} s`;
            bar.node.setAttribute('aria-label', `${name}${bar.mark === '■' ? ' ■' : ''}`);
            bar.node.setAttribute('aria-pressed', String(bar === chosen));
        }
        const way_in = chosen ?? this.bars[0];
        if (way_in && !this.root.querySelector('.bar:focus')) way_in.node.tabIndex = 0;
        this.describe(this.pointed ?? chosen ?? this.newest);
        this.ties.mark(chosen, selected);
    }

    bar(at) { return at ? this.bars.find(({ key, run }) => key === at.key && run.id === at.run) : undefined; }

    get newest() { return this.data.mode === 'live' ? this.bars.toSorted((one, other) => one.start - other.start).at(-1) : null; }

    describe(bar) {
        this.detail.replaceChildren(made('b', '', bar ? `${bar.lane} · ${bar.kind_word}` : ''));
        if (!bar) return;
        const until = bar.open ? '…' : bar.end.toFixed(2);
        this.detail.append(made('span', '', `${bar.start.toFixed(2)}–${until} s`));
        if (bar.call) this.detail.append(made('code', '', `${bar.input}${bar.result ? ` → ${bar.result}` : ''}`));
    }

    // Shows what the pointer is at: here, and what it is tied to.
    point(node) {
        const bar = this.bars.find(each => each.node === node) ?? null;
        if (bar === this.pointed) return;
        this.pointed = bar;
        this.describe(bar ?? this.bar(this.selected) ?? this.newest);
        this.ties.point(bar);
    }

    slid(event) {
        if (this.pointed?.kind === 'writing') this.ties.reach(this.pointed, this.time(event));
    }

    time(event) {
        const { left, width } = this.over.getBoundingClientRect();
        return this.drawn_end * Math.min(1, Math.max(0, (event.clientX - left) / width));
    }

    point_at(seconds) {
        this.hint.hidden = seconds === null;
        if (seconds !== null) this.hint.style.left = share(seconds, this.drawn_end);
    }

    // A bar that was drawn anew between the press and the release is still the one that was meant.
    clicked(event) {
        const at = event.target.closest('.bar')?.dataset.at ?? (event.detail ? this.pressed : undefined);
        const bar = this.bars.find(each => each.node.dataset.at === at);
        if (bar) this.choose({ run: bar.run.id, key: bar.key, seq: this.ties.seq_at(bar, event.detail ? this.time(event) : null) });
        else if (event.target.closest('.track') && this.data.mode === 'still') this.ask('sought', this.time(event));
    }

    // A script that follows a run is not to be ended by a click: what is chosen then is told when it has ended.
    choose(selected) {
        this.pinned = selected;
        if (this.data.mode === 'still') this.tell('selected', selected);
        this.mark();
    }

    moved(event) {
        const here = this.bars.find(each => each.node === event.target), by = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
        const rows = [...this.root.querySelectorAll('.row')], row = rows.indexOf(event.target.closest('.row'));
        let next = null;
        if (here && by) {
            const order = [...this.bars].sort((one, other) => one.start - other.start);
            next = order[order.indexOf(here) + by];
        } else if (here && ['ArrowUp', 'ArrowDown'].includes(event.key)) {
            const beside = rows[row + (event.key === 'ArrowUp' ? -1 : 1)], near = bar => Math.abs(bar.start - here.start);
            next = this.bars.filter(bar => beside?.contains(bar.node)).sort((one, other) => near(one) - near(other))[0];
        } else return;
        event.preventDefault();
        if (!next) return;
        for (const { node } of this.bars) node.tabIndex = node === next.node ? 0 : -1;
        next.node.focus();
    }
}

const known = new WeakMap();

export default function({ data, parentElement, setStateValue, setTriggerValue }) {
    const root = parentElement.querySelector('.lanes');
    const lanes = known.get(root) ?? new Lanes(root);
    known.set(root, lanes);
    root.setAttribute('aria-label', data.words.lanes);
    lanes.update(data, setStateValue, setTriggerValue);
    return () => { if (!root.isConnected) lanes.end(); };
}
