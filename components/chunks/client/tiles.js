// The chunks of captures that stand side by side: each a tile that can be chosen, by mouse or keyboard. Run again
// whenever the data change: what stands there stays, so that neither focus nor scrolling is lost.

const MARKS = {' ': '␣', '\n': '⏎', '\t': '⇥', '\u00a0': '⍽', '\u200d': 'ZWJ', '\ufe0f': 'VS16'};
const MARKED = new RegExp(`([${Object.keys(MARKS).join('')}])`);
const shown = new WeakMap();  // root -> the captures whose tiles stand there

function part(kind, text, hidden) {
    const span = document.createElement('span');
    span.className = kind;
    span.textContent = text;
    if (hidden) span.setAttribute('aria-hidden', 'true');
    return span;
}

function written(text, none) {
    const whole = part('text', '');
    if (!text) whole.append(part('mark', '∅', true), part('spoken', none));
    for (const piece of text.split(MARKED)) {
        const mark = MARKS[piece];
        whole.append(mark ? part(mark.length > 1 ? 'mark word' : 'mark', mark, mark.length === 1) : piece);
    }
    return whole;
}

function made([number, at, text], none) {
    const button = document.createElement('button');
    button.type = 'button';
    button.dataset.number = number;
    button.append(part('small', `${number}`), ' ', written(text, none));
    if (at) button.append(' ', part('small time', at));
    return button;
}

function beside(list, button, key) {
    const buttons = [...list.children], place = buttons.indexOf(button), row = button.offsetTop;
    const far = other => Math.abs(other.offsetLeft - button.offsetLeft);
    const nearestBeside = found => buttons.filter(other => other.offsetTop === found?.offsetTop)
        .sort((one, other) => far(one) - far(other))[0];
    switch (key) {
        case 'ArrowRight': return buttons[place + 1];
        case 'ArrowLeft': return buttons[place - 1];
        case 'Home': return buttons[0];
        case 'End': return buttons[buttons.length - 1];
        case 'ArrowDown': return nearestBeside(buttons.find(other => other.offsetTop > row));
        case 'ArrowUp': return nearestBeside(buttons.findLast(other => other.offsetTop < row));
    }
}

function stop(list, target) {
    for (const button of list.querySelectorAll('button[tabindex="0"]')) button.tabIndex = -1;
    if (target) target.tabIndex = 0;
}

function press(buttons, chosen) {
    for (const button of buttons) {
        const pressed = String(button === chosen);
        if (button.getAttribute('aria-pressed') !== pressed) button.setAttribute('aria-pressed', pressed);
    }
}

// A name in camel case may be broken between its words.
function broken(name) {
    return name.split(/(?=[A-Z])/).flatMap(word => [document.createElement('wbr'), word]);
}

function section(root) {
    const made = document.createElement('section'), list = document.createElement('div');
    list.className = 'tiles';
    list.setAttribute('role', 'group');
    made.append(document.createElement('h3'), document.createElement('p'), list);
    root.append(made);
    return made;
}

function draw(section, data, words, active) {
    const [head, said, list] = section.children;
    head.replaceChildren(...broken(data.name));
    head.className = data.code ? 'code' : '';
    head.hidden = !data.name;
    said.textContent = data.said;
    list.setAttribute('aria-label', data.label);
    const atEnd = list.scrollHeight - list.scrollTop - list.clientHeight < 40;
    const added = data.tiles.slice(list.childElementCount).map(tile => made(tile, words.none));
    for (const button of added) button.tabIndex = -1;
    list.append(...added);
    const buttons = [...list.children], chosen = buttons[data.chosen - 1];
    press(buttons, chosen);
    if (!list.contains(active)) stop(list, chosen ?? buttons[0]);
    if (added.length && atEnd && words.follow) list.scrollTop = list.scrollHeight;
}

// A click that comes when the server has just drawn the captures' end may be dropped there, and nobody is told; the tiles
// may be made anew then, too. So it is told again until what is drawn has it.
const PATIENCE = 1500, TIMES = 3;  // milliseconds
const asked = new Map();  // by the captures' id: the tile, and how it is told now

function ask(id, times = TIMES) {
    const open = asked.get(id);
    open.tell(open.tile);
    if (times > 1) open.timer = setTimeout(() => ask(id, times - 1), PATIENCE);
}

function settle(id, root, captures, tell) {
    for (const [other, { timer }] of asked) {
        if (other === id) continue;
        clearTimeout(timer);  // of captures that are not shown any more
        asked.delete(other);
    }
    const open = asked.get(id);
    if (!open) return;
    const [place, number] = open.tile;
    open.tell = tell;
    if (captures[place]?.chosen === number) {
        clearTimeout(open.timer);
        asked.delete(id);
    } else {
        press([...root.querySelectorAll('button')], root.children[place]?.querySelector(`[data-number="${number}"]`));
    }
}

export default function({ data, parentElement, setTriggerValue }) {
    const root = parentElement.querySelector('.captures'), tell = tile => setTriggerValue('chosen', tile);
    if (shown.get(root) !== data.id) root.replaceChildren();
    shown.set(root, data.id);
    data.captures.forEach((capture, place) => {
        draw(root.children[place] ?? section(root), capture, data, parentElement.activeElement);
    });
    settle(data.id, root, data.captures, tell);
    root.onclick = event => {
        const button = event.target.closest('button');
        if (!button) return;
        const place = [...root.children].indexOf(button.closest('section'));
        press([...root.querySelectorAll('button')], button);  // at once; what is in it comes from the server
        clearTimeout(asked.get(data.id)?.timer);
        asked.set(data.id, { tile: [place, Number(button.dataset.number)], tell });
        ask(data.id);
    };
    root.onkeydown = event => {
        const button = event.target.closest('button'), list = button?.parentElement;
        const target = button && beside(list, button, event.key);
        if (!target) return;
        event.preventDefault();
        stop(list, target);
        target.focus();
    };
}
