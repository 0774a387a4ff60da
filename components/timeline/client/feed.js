// Hands what the server says of a live run to the lanes, which stay as they are: a component that is drawn again while
// a script goes on would be another one.

export default function({ data }) {
    const tell = () => window.dispatchEvent(new CustomEvent('timeline.told', { detail: data }));
    window.addEventListener('timeline.asked', tell);
    tell();
    return () => window.removeEventListener('timeline.asked', tell);
}
