// What stands elsewhere on the page of what the lanes show: the answer's words, and its calls. Text and lanes are tied
// by how many letters and digits had been written, for these Markdown leaves as they are.

const LETTER = /[\p{L}\p{N}]/u;
const Marks = globalThis.Highlight ?? Set;  // an older browser shows no marks in the text
const NARROW = 576;  // pixels, as in lanes.css
const EXCERPT = 140;  // characters of an answer's beginning, where it stands far below

function caret({ clientX, clientY }) {
    const at = document.caretPositionFromPoint?.(clientX, clientY);
    if (at) return [at.offsetNode, at.offset];
    const range = document.caretRangeFromPoint?.(clientX, clientY);
    return [range?.startContainer, range?.startOffset];
}

class Ties {
    constructor(lanes) {
        this.lanes = lanes;
        this.excerpt = [made('p', 'excerpt')];
        this.excerpt[0].ariaHidden = 'true';  // the answer itself is on the page
        this.highlights = { pointed: new Marks(), chosen: new Marks() };
        this.marked = new Set();
        for (const [name, highlight] of Object.entries(this.highlights)) CSS.highlights?.set(`timeline-${name}`, highlight);
        this.listeners = { click: event => this.clicked(event), pointermove: event => this.moved(event) };
        for (const [kind, act] of Object.entries(this.listeners)) document.addEventListener(kind, act);
    }

    end() {
        for (const [kind, act] of Object.entries(this.listeners)) document.removeEventListener(kind, act);
        for (const highlight of Object.values(this.highlights)) highlight.clear();
        this.outline(null);
        document.adoptedStyleSheets = document.adoptedStyleSheets.filter(sheet => sheet !== this.sheet);
    }

    // The page's own colours, for what is not within the lanes.
    update() {
        if (!this.sheet) document.adoptedStyleSheets = [...document.adoptedStyleSheets, this.sheet = new CSSStyleSheet()];
        const style = getComputedStyle(this.lanes.root), color = name => style.getPropertyValue(name).trim();
        this.sheet.replaceSync(`
            ::highlight(timeline-chosen) { text-decoration: underline 2px ${color('--st-primary-color')}; }
            ::highlight(timeline-pointed) { background-color: color-mix(in srgb, ${color('--st-primary-color')} 28%, transparent); }
            .timeline-tied { outline: 2px solid ${color('--st-primary-color')}; outline-offset: 2px; border-radius: 0.5rem; }
        `);
    }

    get place() { return document.querySelector('.st-key-timeline-answer'); }

    // The text nodes of the answer, each with the letters before it.
    texts() {
        const nodes = [], walker = document.createTreeWalker(this.place ?? document.createElement('p'), NodeFilter.SHOW_TEXT);
        let letters = 0;
        for (let node = walker.nextNode(); node; node = walker.nextNode()) {
            if (node.parentElement.closest('[data-testid="stExpander"], [data-testid="stElementToolbar"], style')) continue;
            nodes.push({ node, before: letters });
            for (const each of node.data) letters += LETTER.test(each) ? 1 : 0;
        }
        return { nodes, letters };
    }

    get extent() { return `${this.texts().letters} ${this.calls().flatMap(call => call.nodes).length}`; }

    // The place in the page after so many of its letters.
    where({ nodes }, letters) {
        const found = nodes.findLast(({ before }) => before <= letters) ?? nodes[0];
        let left = letters - found.before, offset = 0;
        for (const each of found.node.data) {
            if (left <= 0) break;
            left -= LETTER.test(each) ? 1 : 0;
            offset += each.length;
        }
        return [found.node, offset];
    }

    // The pieces of the answer: [time, seq, letters up to its end].
    get pieces() { return this.lanes.data.pieces; }

    highlight(name, from, to) {
        const highlight = this.highlights[name], texts = this.texts(), all = this.pieces.at(-1)?.[2];
        highlight.clear();
        if (from === null || !all || !texts.letters) return;
        const range = new Range(), scale = texts.letters / all;
        range.setStart(...this.where(texts, Math.round(from * scale)));
        range.setEnd(...this.where(texts, Math.round(to * scale)));
        highlight.add(range);
    }

    // The letters that were written in this bar, up to a time.
    written({ start, end, run, kind }, until = Infinity) {
        if (kind !== 'writing' || run.id !== this.lanes.data.runs[0].id) return [null, null];
        const before = this.pieces.findLast(piece => piece[0] < start - 0.001), last = Math.min(until, end + 0.001);
        const reached = this.pieces.findLast(piece => piece[0] <= last);
        return reached ? [before?.[2] ?? 0, reached[2]] : [null, null];
    }

    seq_at(bar, seconds) {
        if (seconds === null || bar.kind !== 'writing' || bar.run.id !== this.lanes.data.runs[0].id) return null;
        return this.pieces.find(piece => piece[0] >= seconds && piece[0] >= bar.start)?.[1] ?? null;
    }

    reach(bar, seconds) { this.highlight('pointed', ...this.written(bar, seconds)); }

    point(bar) {
        this.highlight('pointed', ...(bar ? this.written(bar) : [null, null]));
        this.outline(bar ?? this.lanes.bar(this.lanes.selected));
    }

    mark(bar, selected) {
        const number = this.pieces.findIndex(piece => piece[1] >= (selected?.seq ?? Infinity));
        const one = bar?.kind === 'writing' && selected.seq && number >= 0;
        this.highlight('chosen', ...(one ? [this.pieces[number - 1]?.[2] ?? 0, this.pieces[number][2]] : bar ? this.written(bar) : [null, null]));
        this.outline(bar);
    }

    // The calls on the page, in the order in which they stand there: above the answer, and among the results.
    calls() {
        const keys = this.lanes.data.mode === 'still' ? this.lanes.data.calls
            : this.lanes.bars.filter(bar => bar.call).sort((one, other) => one.seq - other.seq).map(bar => bar.key);
        const above = [...this.place?.querySelectorAll('[data-testid="stExpander"]') ?? []].slice(-keys.length || Infinity);
        return keys.map((key, number) => ({ key, nodes: [above[number], document.querySelector(`.st-key-timeline-use-${number}`)].filter(Boolean) }));
    }

    outline(bar) {
        for (const node of this.marked) node.classList.remove('timeline-tied');
        const ours = bar?.call && bar.run.id === this.lanes.data.runs[0].id;
        this.marked = new Set(ours ? this.calls().find(call => call.key === bar.key)?.nodes : []);
        for (const node of this.marked) node.classList.add('timeline-tied');
    }

    // The bar that what is at the pointer belongs to, and when it came.
    tied(event) {
        const call = this.calls().find(({ nodes }) => nodes.some(node => node.contains(event.target)));
        if (call) return { bar: this.lanes.bar({ key: call.key, run: this.lanes.data.runs[0].id }), seq: null, at: null };
        if (!this.place?.contains(event.target) || !this.pieces.length) return null;
        const [place, offset] = caret(event), texts = this.texts(), found = texts.nodes.find(({ node }) => node === place);
        if (!found) return null;
        let letters = found.before;
        for (const each of found.node.data.slice(0, offset)) letters += LETTER.test(each) ? 1 : 0;
        const piece = this.pieces.find(each => each[2] >= letters * this.pieces.at(-1)[2] / texts.letters) ?? this.pieces.at(-1);
        const bar = this.lanes.bars.findLast(({ kind, start, run }) => kind === 'writing' && start <= piece[0] + 0.001
            && run.id === this.lanes.data.runs[0].id);
        return { bar, seq: piece[1], at: piece[0] };
    }

    moved(event) {
        const tied = this.lanes.root.contains(event.composedPath()[0]) ? null : this.tied(event);
        if (tied?.bar === this.bar && tied?.at === this.at) return;
        [this.bar, this.at] = [tied?.bar, tied?.at];
        for (const { node } of this.lanes.bars) node.classList.toggle('tied', node === tied?.bar?.node);
        this.lanes.point_at(tied?.at ?? null);
        if (tied) this.lanes.describe(tied.bar);
    }

    clicked(event) {
        const tied = this.tied(event);
        if (tied?.bar && getSelection().isCollapsed) this.lanes.choose({ run: tied.bar.run.id, key: tied.bar.key, seq: tied.seq });
    }

    // The answer as one line.
    plain() {
        let line = '', last = null;
        for (const { node } of this.texts().nodes) {
            const block = node.parentElement.closest('p, li, td, th, pre, h1, h2, h3, h4, h5, h6');
            line += block === last ? node.data : ` ${node.data}`;
            last = block;
            if (line.length > 2 * EXCERPT) break;
        }
        return line.trim();
    }

    grow() {
        const narrow = this.lanes.root.clientWidth <= NARROW, text = this.place && narrow ? this.plain() : '';
        const head = text.length > EXCERPT ? `${text.slice(0, EXCERPT)} …` : text;
        if (this.excerpt[0].textContent !== head) this.excerpt[0].textContent = head;
    }
}
