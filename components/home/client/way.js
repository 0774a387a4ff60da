// The stations of an answer, and a dot that goes along them once for each run that is told of. The server knows the
// times but the last one: when the first words were on the page, only the browser that asked can tell.

const WAY = ['question', 'model', 'run', 'log', 'page', 'browser'];
const FORKS = [['log', 'second_page'], ['second_page', 'second_browser']];
const LEG = 420;            // milliseconds from one station to the next
const LONGEST = 3_000;      // that the dot waits at the model; the time that is written is the real one
const LITTLE = 100;         // milliseconds
const SVG = 'http://www.w3.org/2000/svg';
const still = matchMedia('(prefers-reduced-motion: reduce)');
const ways = new WeakMap();

class Way {
    constructor(root) {
        Object.assign(this, { root, clicks: new Set(), seen: {}, turn: 0, reached: 0, asking: false });
        this.stage = element('div', 'stage');
        this.list = element('ol');
        this.lines = document.createElementNS(SVG, 'svg');
        this.lines.setAttribute('aria-hidden', 'true');
        this.dot = document.createElementNS(SVG, 'circle');
        this.dot.setAttribute('r', 7);
        this.stage.append(this.list, this.lines);
        this.said = element('p', 'said');
        this.status = element('p', 'note');
        this.status.setAttribute('role', 'status');
        [this.asker, this.player] = ['first', ''].map(kind => element('button', kind));
        for (const button of [this.asker, this.player]) button.type = 'button';
        this.asker.onclick = () => this.ask();
        this.player.onclick = () => this.play();
        const foot = element('div', 'foot');
        foot.append(this.asker, this.player, this.said);
        root.replaceChildren(this.stage, foot, this.status);
        new ResizeObserver(() => this.drawLines()).observe(this.stage);
    }

    update(data, trigger) {
        const before = this.data;
        Object.assign(this, { data, trigger });
        if (JSON.stringify(before?.stations) !== JSON.stringify(data.stations)) this.build();
        this.arrive();
        this.asker.textContent = data.words.ask;
        this.player.textContent = data.words.play;
        this.said.textContent = data.said;
        if (data.run && before?.run !== data.run && !this.asking) this.play();
        this.drawTimes();
    }

    build() {
        this.places = {};
        this.list.replaceChildren(...this.data.stations.map(([name, label, does]) => {
            const node = element('li', name.startsWith('second') ? 'second' : WAY.indexOf(name) < 4 ? 'wide' : '');
            node.style.gridArea = name;
            const time = element('span', 'time');
            node.append(element('strong', '', label), element('span', 'does', does), time);
            this.places[name] = { node, time };
            return node;
        }));
        this.drawLines();
    }

    ask() {
        const click = performance.now();
        this.clicks.add(click);
        this.asking = true;
        this.status.textContent = this.data.words.asking;
        this.trigger('asked', click);
        this.play();
    }

    // The first words of what was asked for here may be on the page with this update.
    arrive() {
        const { asked, words, run, times, live } = this.data;
        if (!asked || !this.clicks.has(asked.click)) return;
        const mine = Boolean(asked.run) && asked.run === run, there = mine && times.page !== null;
        if (mine && live && !there) return;
        this.clicks.delete(asked.click);
        this.asking = false;
        this.status.textContent = '';
        if (!there) return;
        this.seen[run] = (performance.now() - asked.click) / 1000;
        this.status.textContent = words.arrived.replace('{number}', this.seconds(this.seen[run]));
    }

    seconds(value) { return this.data.words.seconds.replace('{number}', value.toFixed(3)); }

    time(name) {
        if (this.asking) return name === 'question' ? 0 : null;
        return name === 'browser' ? this.seen[this.data.run] ?? null : this.data.times[name] ?? null;
    }

    // The time at a station; where it is only a little later than at the one before, by how much.
    written(name) {
        const value = this.time(name), before = this.time(WAY[WAY.indexOf(name) - 1]), later = 1000 * (value - before);
        if (value === null) return '–';
        if (before === null || !['log', 'page'].includes(name) || later >= LITTLE) return this.seconds(value);
        return this.data.words.later.replace('{number}', later.toFixed(1));
    }

    // How far the words have come: a time that nobody knows does not stop them, if they were seen farther on.
    get farthest() {
        if (this.asking) return 1;
        if (!this.data.run) return 0;
        const known = WAY.findLastIndex(name => this.time(name) !== null);
        return known === WAY.indexOf('page') ? known + 1 : Math.max(1, known);
    }

    // Let the dot go along the stations. It waits at the model as the run did, and wherever the words are not yet on.
    async play() {
        const turn = ++this.turn;
        this.reached = 0;
        this.drawTimes();
        if (still.matches) return this.rest(turn);
        const waits = performance.now();
        for (let next = 1; next < WAY.length; next++) {
            await this.travel(WAY[next - 1], WAY[next], turn);
            if (turn !== this.turn) return;
            this.reached = next;
            this.drawTimes();
            this.dot.classList.toggle('waiting', next === 1);
            const wait = next === 1 ? Math.min(LONGEST, 1000 * (this.data.times.run ?? 0)) : 0;
            while (turn === this.turn && (this.farthest <= next || performance.now() - waits < LEG + wait)) {
                if (this.farthest <= next && this.over) return;
                await new Promise(resolve => setTimeout(resolve, 50));
            }
        }
        this.dot.classList.remove('waiting');
    }

    // Without motion: how far they have come.
    async rest(turn) {
        while (turn === this.turn && this.reached < WAY.length - 1) {
            this.reached = this.farthest;
            this.drawTimes();
            if (this.over) return;
            await new Promise(resolve => setTimeout(resolve, 100));
        }
    }

    // Whether the words will come no farther.
    get over() { return !this.root.isConnected || (!this.asking && !this.data.live); }

    travel(from, to, turn) {
        const [start, end] = [this.center(from), this.center(to)], began = performance.now();
        return new Promise(resolve => {
            const step = now => {
                const share = Math.min(1, Math.max(0, (now - began) / LEG)), eased = share * share * (3 - 2 * share);
                this.put(start.x + (end.x - start.x) * eased, start.y + (end.y - start.y) * eased);
                if (share < 1 && turn === this.turn && this.root.isConnected) requestAnimationFrame(step);
                else resolve();
            };
            requestAnimationFrame(step);
        });
    }

    put(x, y) {
        this.dot.setAttribute('cx', x);
        this.dot.setAttribute('cy', y);
        if (!this.dot.isConnected) this.lines.append(this.dot);
    }

    // Where the dot stands at a station: at its upper edge, where it hides nothing.
    center(name) {
        const { node } = this.places[name];
        return { x: node.offsetLeft + node.offsetWidth / 2, y: node.offsetTop };
    }

    drawLines() {
        if (!this.places) return;
        const pairs = [...WAY.slice(1).map((name, place) => [WAY[place], name]), ...FORKS];
        const paths = pairs.map(([from, to]) => {
            const path = document.createElementNS(SVG, 'path');
            path.setAttribute('d', this.line(this.places[from].node, this.places[to].node));
            if (to.startsWith('second')) path.setAttribute('class', 'second');
            return path;
        });
        const dot = this.dot.isConnected ? [this.dot] : [];
        this.lines.replaceChildren(...paths, ...dot);
        if (dot.length) { const { x, y } = this.center(WAY[this.reached]); this.put(x, y); }
    }

    // From the side of one box to the side of the next: to the right, or down.
    line(from, to) {
        const middle = node => [node.offsetLeft + node.offsetWidth / 2, node.offsetTop + node.offsetHeight / 2];
        const [x1, y1] = middle(from), [x2, y2] = middle(to);
        if (to.offsetLeft >= from.offsetLeft + from.offsetWidth) {
            const start = from.offsetLeft + from.offsetWidth, end = to.offsetLeft, bend = (start + end) / 2;
            return `M${start} ${y1}H${bend}V${y2}H${end}`;
        }
        const start = from.offsetTop + from.offsetHeight;
        return `M${x2} ${start}V${to.offsetTop}`;
    }

    drawTimes() {
        for (const [name, { node, time }] of Object.entries(this.places)) {
            const place = WAY.indexOf(name), there = place >= 0 && place <= this.reached;
            node.classList.toggle('reached', there && Boolean(this.data.run || this.asking));
            const text = name === 'model' ? '' : there ? this.written(name) : '–';
            if (time.textContent !== text) time.textContent = text;
        }
        this.asker.disabled = this.asking;
        this.player.hidden = !this.data.run;
        const unknown = this.data.run && !this.asking && this.seen[this.data.run] === undefined;
        if (unknown) this.status.textContent = this.data.words.browser_knows;
    }
}

export default function({ data, parentElement, setTriggerValue }) {
    const root = parentElement.querySelector('.way');
    const way = ways.get(root) ?? new Way(root);
    ways.set(root, way);
    way.update(data, setTriggerValue);
}
