// Makes an element: the first part of each module of this folder.

function element(tag, kind, text = '') {
    const made = document.createElement(tag);
    if (kind) made.className = kind;
    made.textContent = text;
    return made;
}
