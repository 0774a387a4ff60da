// The clock of an answer that is asked for now. The server says what it knows; between that the browser counts.

export default function({ data, parentElement }) {
    const root = parentElement.querySelector('.race');
    const began = performance.now() - 1000 * data.elapsed;
    const clock = new Clock(data.name, data.words);
    const tick = () => clock.show((performance.now() - began) / 1000, data);
    root.replaceChildren(clock.node);
    tick();
    const timer = data.end === null ? setInterval(tick, TICK) : null;
    return () => clearInterval(timer);
}
