// What is seen of one client: its name and state, its text, its figures, and the buttons that do something to it.

const FIGURES = ['seq', 'lag', 'bytes', 'reconnects', 'merged', 'wrong'];

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

class Card {
    constructor(bench, client) {
        Object.assign(this, { bench, client, due: null });
        this.node = element('article');
        this.condition = element('span', 'state');
        this.note = element('p', 'note');
        this.line = element('p', 'line');
        this.node.append(this.head(), this.line, this.reading(), this.buttons(), this.list(), this.note);
        client.changed = () => this.show();
    }

    get words() { return this.bench.data.words; }

    head() {
        const head = element('header');
        head.append(element('h3', '', this.client.name), this.condition);
        return head;
    }

    reading() {
        this.place = element('div', 'text');
        this.place.tabIndex = 0;
        this.place.setAttribute('role', 'region');
        this.place.setAttribute('aria-label', `${this.words.text}: ${this.client.name}`);
        this.text = this.place.appendChild(document.createTextNode(''));
        return this.place;
    }

    // For who knows what they mean.
    list() {
        const folded = element('details'), list = element('dl');
        this.figures = {};
        for (const name of FIGURES) {
            const pair = element('div');
            this.figures[name] = element('dd', name);
            pair.append(element('dt', '', this.words[name]), this.figures[name]);
            list.append(pair);
        }
        folded.append(element('summary', '', this.words.figures), list);
        return folded;
    }

    buttons() {
        const { client, words } = this, buttons = element('div', 'buttons');
        this.cutter = press(words.cut, () => client.cutOrReconnect());
        this.slower = press(words.slow, () => client.slowOrNot());
        buttons.append(this.cutter, ...(client.readable ? [this.slower] : []), press(words.leave, () => this.leave()));
        return buttons;
    }

    leave() {
        const next = this.node.nextElementSibling ?? this.node.previousElementSibling;
        this.client.leave();
        this.bench.remove(this.client);
        this.node.remove();
        (next?.querySelector('button:not(:disabled)') ?? this.bench.bar.querySelector('button')).focus();
    }

    // At the next frame, once for all that has changed until then.
    show() {
        this.due ??= requestAnimationFrame(() => { this.due = null; this.draw(); });
    }

    draw() {
        const { client, words } = this;
        this.node.dataset.state = client.state === 'open' && client.slow ? 'slow' : client.state;
        this.condition.textContent = words[`state_${this.node.dataset.state}`];
        this.cutter.textContent = client.isCut ? words.reconnect : words.cut;
        this.cutter.disabled = this.slower.disabled = Boolean(client.status);
        this.slower.setAttribute('aria-pressed', client.slow);
        this.note.textContent = this.remark();
        this.drawLine();
        this.bench.drawSums();
        this.drawFigures();
        this.drawText();
    }

    // How far it is behind what is written, in words.
    drawLine() {
        const { client, words } = this, { unit, language } = this.bench.data, { unread } = client;
        const behind = words[`behind_${unit}`].replace('{number}', unread.toLocaleString(language));
        this.line.dataset.late = client.delayed;
        this.line.textContent = client.state === 'refused' ? words.line_none
            : client.state === 'whole' ? words.line_whole : unread && client.delayed ? behind : words.line_current;
    }

    drawFigures() {
        const { client } = this;
        const number = value => value.toLocaleString(this.bench.data.language);
        const said = {
            seq: `${number(client.seq)} / ${number(Math.max(client.seq, this.bench.head.seq))}`,
            lag: number(Math.round(client.lag * 1000)),
            bytes: number(client.bytes),
            reconnects: number(client.resumes),
            merged: number(client.merged),
            wrong: `${number(client.missing)} / ${number(client.twice)}`,
        };
        for (const name of FIGURES) this.figures[name].textContent = said[name];
        this.figures.wrong.classList.toggle('bad', client.missing + client.twice > 0);
    }

    // Only what is new of it, unless it began anew.
    drawText() {
        const { text } = this.client, { data } = this.text;
        if (text.startsWith(data)) this.text.appendData(text.slice(data.length)); else this.text.data = text;
        if (!this.place.matches(':hover, :focus')) this.place.scrollTop = this.place.scrollHeight;
    }

    remark() {
        const { client, words } = this;
        if (client.state === 'refused') {
            return ['not_local', 'foreign_host'].includes(client.code) ? words.note_local : words.note_refused;
        }
        if (client.gaps) return words.note_gap;
        if (client.slow && !client.status) return words.note_slow;
        if (client.kind === 'late') return this.bench.data.late.replace('{seq}', client.joined);
        return client.kind === 'grpc' ? words.note_grpc : '';
    }
}
