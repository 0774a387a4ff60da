// A recorded race, replayed in the browser at its own pace. Each answer stands there whole, and is shown as far as its
// words had come. It rests while nobody sees it, where a reader wants no motion, and when it is paused.

const REST = 5;  // seconds between its end and its next beginning

class Lane {
    constructor(lane, words) {
        Object.assign(this, { lane, shown: null, clock: new Clock(lane.name, words) });
        this.text = element('div', 'text');
        this.text.tabIndex = 0;
        this.text.setAttribute('role', 'region');
        this.text.setAttribute('aria-label', lane.name);
        this.text.innerHTML = lane.html;  // made by the server of its own file
        this.node = element('article');
        this.node.append(this.clock.node, this.text);
        this.length = this.learn();
    }

    // Where in the text each of its nodes begins, and each element.
    learn() {
        const walker = document.createTreeWalker(this.text, NodeFilter.SHOW_ELEMENT | NodeFilter.SHOW_TEXT);
        this.texts = [];
        this.elements = [];
        let length = 0;
        for (let node = walker.nextNode(); node; node = walker.nextNode()) {
            if (node.nodeType === Node.ELEMENT_NODE) this.elements.push({ node, start: length });
            else {
                this.texts.push({ node, start: length, whole: node.data });
                length += node.data.length;
            }
        }
        return length;
    }

    show(now) {
        const { times, shares, first, end } = this.lane;
        this.clock.show(now, { first: now < first ? null : first, end: now < end ? null : end, failed: false });
        let come = times.findLastIndex(time => time <= now);
        const length = come < 0 ? 0 : Math.round(shares[come] * this.length);
        if (length === this.shown) return;
        this.shown = length;
        for (const { node, start, whole } of this.texts) {
            const part = whole.slice(0, Math.max(0, length - start));
            if (node.data !== part) node.data = part;
        }
        for (const { node, start } of this.elements) node.hidden = start >= length;
        this.text.scrollTop = this.text.scrollHeight;
    }
}

class Replay {
    constructor(root, data) {
        Object.assign(this, { data, at: 0, last: null });
        this.lanes = data.lanes.map(lane => new Lane(lane, data.words));
        this.end = Math.max(...data.lanes.map(lane => lane.end));
        const head = element('div', 'head'), lanes = element('div', 'lanes');
        this.button = element('button');
        this.button.type = 'button';
        this.button.onclick = () => this.play(!this.playing);
        head.append(element('span', 'badge', data.words.recording), element('span', 'question', data.question));
        lanes.append(...this.lanes.map(lane => lane.node));
        head.append(this.button);
        root.replaceChildren(head, lanes);
        const still = matchMedia('(prefers-reduced-motion: reduce)').matches;
        if (still) this.at = this.end;
        this.draw();
        this.play(!still);
        this.timer = setInterval(() => this.tick(), TICK);
    }

    play(on) {
        if (on && this.at >= this.end) this.at = 0;
        this.playing = on;
        this.button.textContent = this.data.words[on ? 'pause' : 'play'];
    }

    tick() {
        const now = performance.now(), passed = this.last === null ? 0 : (now - this.last) / 1000;
        this.last = now;
        if (!this.playing || document.hidden) return;
        this.at += passed;
        if (this.at >= this.end + REST) this.at = 0;
        this.draw();
    }

    draw() {
        const now = Math.min(this.at, this.end);
        for (const lane of this.lanes) lane.show(now);
    }
}

const replays = new WeakMap();

export default function({ data, parentElement }) {
    const root = parentElement.querySelector('.race'), said = JSON.stringify(data), known = replays.get(root);
    if (known?.said !== said) {
        clearInterval(known?.replay.timer);
        replays.set(root, { said, replay: new Replay(root, data) });
    }
    return () => { if (!root.isConnected) clearInterval(replays.get(root).replay.timer); };
}
