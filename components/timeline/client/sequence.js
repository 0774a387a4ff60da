// A sequence diagram as elements of the page: its text is as large as any other, wraps, and can be chosen by keyboard.

const made = (tag, kind, text = '') => {
    const node = document.createElement(tag);
    node.className = kind;
    node.textContent = text;
    return node;
};

export default function({ data, parentElement, setTriggerValue }) {
    const root = parentElement.querySelector('.sequence'), count = data.participants.length;
    root.setAttribute('aria-label', data.label);
    root.style.setProperty('--count', count);

    // The middles of the columns are where the lifelines are.
    const placed = (node, from, width) => {
        node.style.marginInlineStart = `${100 * from / count}%`;
        node.style.width = `${100 * width / count}%`;
        return node;
    };
    const message = ({ kind, from, to, text, seq }) => {
        const tag = seq === null ? 'div' : 'button', self = from === to, back = to < from;
        const node = made(tag, `message ${kind} ${self ? 'self' : back ? 'back' : 'on'}`);
        if (seq !== null) {
            Object.assign(node, { type: 'button', onclick: () => setTriggerValue('chosen', seq) });
            node.setAttribute('aria-pressed', String(seq === data.chosen));
        }
        const ends = kind === 'note' ? data.participants[from] : `${data.participants[from]} → ${data.participants[to]}`;
        node.append(made('span', 'ends', `${ends}: `), made('span', 'text', text), made('i', 'arrow'));
        return self ? placed(node, from + (kind === 'note' ? 0.1 : 0.5), kind === 'note' ? 0.8 : 0.5)
            : placed(node, Math.min(from, to) + 0.5, Math.abs(to - from));
    };
    const block = branches => {
        if (branches.length === 1) return branches[0].map(message);
        const box = made('div', 'together');
        box.append(made('span', 'label', data.together), ...branches.map(branch => {
            const node = made('div', 'branch');
            node.append(...branch.map(message));
            return node;
        }));
        return [box];
    };
    const heads = made('div', 'heads'), body = made('div', 'body');
    heads.append(...data.participants.map(name => made('b', 'head', name)));
    body.append(...data.blocks.flatMap(block));
    if (data.rest) body.append(made('p', 'left', data.rest));
    root.replaceChildren(heads, body);
}
