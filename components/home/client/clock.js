// What stands above an answer that races: its name, a clock that stops at the first words, how it goes on, and a bar:
// grey while there is nothing to read, then blue. With element.js, and live.js or recording.js, this is one module.

const SCALE = 9;   // seconds that a bar has room for, until it needs more
const TICK = 50;   // milliseconds

class Clock {
    constructor(name, words) {
        this.words = words;
        this.node = element('header', 'clock');
        this.time = element('span', 'time');
        this.time.setAttribute('role', 'timer');
        this.time.setAttribute('aria-label', name);
        this.note = element('span', 'note');
        const bar = element('div', 'bar');
        this.waiting = bar.appendChild(element('i', 'waiting'));
        this.reading = bar.appendChild(element('i', 'reading'));
        this.node.append(element('h3', '', name), this.time, this.note, bar);
    }

    // `now` are the seconds since the question; `first` and `end` are null for as long as they have not come.
    show(now, { first, end, failed }) {
        const until = end ?? now, begun = first ?? until, scale = Math.max(SCALE, now);
        this.time.textContent = this.words.seconds.replace('{seconds}', begun.toFixed(1));
        this.node.dataset.state = failed ? 'failed' : first === null ? 'waiting' : 'reading';
        const word = failed ? 'failed' : end !== null ? 'complete' : first === null ? 'waiting' : 'reading';
        this.note.textContent = this.words[word].replace('{seconds}', until.toFixed(1));
        this.waiting.style.width = `${100 * begun / scale}%`;
        this.reading.style.width = `${100 * (until - begun) / scale}%`;
    }
}
