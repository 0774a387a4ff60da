// Tries an operation out: sends what the form says, and shows the answer while it arrives.
const access = document.querySelector('#access');
for (const form of document.querySelectorAll('form[hidden]')) form.hidden = false;

function address(form) {
  let path = form.dataset.path;
  const query = new URLSearchParams();
  for (const field of form.querySelectorAll('[data-where]')) {
    if (field.dataset.where === 'path') path = path.replace(`{${field.name}}`, encodeURIComponent(field.value));
    else if (field.dataset.where === 'query' && field.value) query.set(field.name, field.value);
  }
  return query.size ? `${path}?${query}` : path;
}

function request(form, signal) {
  const headers = new Headers();
  if (access.token.value) headers.set('Authorization', `Bearer ${access.token.value}`);
  for (const field of form.querySelectorAll('[data-where=header]')) if (field.value) headers.set(field.name, field.value);
  const body = form.querySelector('[name=body]')?.value;
  if (body !== undefined) headers.set('Content-Type', 'application/json');
  return { method: form.dataset.method, headers, body, signal };
}

function head(response) {
  const told = ['content-type', 'location', 'x-run-id', 'retry-after'].filter((name) => response.headers.has(name));
  return [`${response.status} ${response.statusText}`, ...told.map((name) => `${name}: ${response.headers.get(name)}`)];
}

function readable(text, type) {
  if (!type.startsWith('application/json')) return text;
  try { return JSON.stringify(JSON.parse(text), null, 2); } catch { return text; }
}

async function show(response, output) {
  const type = response.headers.get('content-type') ?? '';
  const before = `${head(response).join('\n')}\n\n`;
  let text = '';
  output.textContent = before;
  output.hidden = false;
  const reader = response.body?.pipeThrough(new TextDecoderStream()).getReader();
  for (let piece; reader && !(piece = await reader.read()).done;) {
    const follows = output.scrollTop + output.clientHeight >= output.scrollHeight - 8;
    text += piece.value;
    output.textContent = before + readable(text, type);
    if (follows) output.scrollTop = output.scrollHeight;
  }
}

function fillIn(runId) { // what was begun here is what comes next
  for (const field of document.querySelectorAll('[name=run_id]')) field.value = runId;
}

async function send(form) {
  const [state, output, leave] = ['.state', '.answer', '.leave'].map((name) => form.querySelector(name));
  const leaving = new AbortController();
  const say = (word) => { state.textContent = word ? form.dataset[word] : ''; };
  leave.onclick = () => leaving.abort();
  leave.hidden = false;
  say('sending');
  try {
    const response = await fetch(address(form), request(form, leaving.signal));
    if (response.headers.has('x-run-id')) fillIn(response.headers.get('x-run-id'));
    say('arriving');
    await show(response, output);
    say('');
  } catch {
    say(leaving.signal.aborted ? 'left' : 'unreachable');
  }
  leave.hidden = true;
}

for (const form of document.querySelectorAll('form.try')) {
  form.addEventListener('submit', (event) => { event.preventDefault(); send(form); });
  form.querySelector('.example')?.addEventListener('change', ({ target }) => { form.body.value = target.value; });
}
access.addEventListener('submit', (event) => event.preventDefault());
(document.getElementById(location.hash.slice(1))?.closest('details') ?? document.querySelector('.operation')).open = true;
