/**
 * The loops that README's table describes, one for each package. Each sends the question, hears every event, and resolves
 * when the package has nothing more to do. `hear(name, data, id)` tells whether to leave: at `done`, as the table says.
 */

export async function sseJs({ url, headers, body }, hear) {
  const { SSE } = await import("sse.js");
  await new Promise((resolve) => {
    const source = new SSE(`${url}/chat`, { headers, payload: body, autoReconnect: true });
    for (const name of NAMES) {
      source.addEventListener(name, ({ data, id, responseCode }) => {
        if (responseCode !== undefined || !hear(name, data, id)) return; // of a connection: its own "open" and "error"
        source.close();
        resolve();
      });
    }
  });
}

export async function fetchEventSource({ url, headers, body }, hear) {
  const { fetchEventSource: follow } = await import("@microsoft/fetch-event-source");
  const leaving = new AbortController();
  await follow(`${url}/chat`, {
    method: "POST",
    headers,
    body,
    signal: leaving.signal,
    onmessage: ({ event, data, id }) => {
      if (hear(event, data, id)) leaving.abort();
    },
  });
}

export async function eventsourceClient({ url, headers, body }, hear) {
  const { createEventSource } = await import("eventsource-client");
  const source = createEventSource({ url: `${url}/chat`, method: "POST", headers, body });
  for await (const { event, data, id } of source) {
    if (hear(event, data, id)) source.close();
  }
}

/** Follows a run that was started before: it cannot ask. */
export async function eventsource({ url, run }, hear) {
  const { EventSource } = await import("eventsource");
  await new Promise((resolve) => {
    const source = new EventSource(`${url}/runs/${run}/events`);
    for (const name of NAMES) {
      source.addEventListener(name, ({ data, lastEventId, code }) => {
        if (data === undefined ? code === 204 : hear(name, data, lastEventId)) source.close();
        if (source.readyState === EventSource.CLOSED) resolve();
      });
    }
  });
}

/** Parses only: to send the question again after a cut, with the last id, is its user's. */
export async function eventsourceParser({ url, headers, body }, hear) {
  const { EventSourceParserStream } = await import("eventsource-parser/stream");
  for (let ended = false, lastId; !ended; ) {
    try {
      const resume = lastId ? { "Last-Event-ID": lastId } : {};
      const response = await fetch(`${url}/chat`, { method: "POST", headers: { ...headers, ...resume }, body });
      ended = response.status === 204;
      const events = response.body?.pipeThrough(new TextDecoderStream()).pipeThrough(new EventSourceParserStream());
      for await (const { event, data, id } of events ?? []) {
        lastId = id ?? lastId;
        if ((ended = hear(event, data, id))) break;
      }
    } catch (error) {
      if (!(error instanceof TypeError)) throw error; // of a broken connection
    }
  }
}

const NAMES = "open thinking text_delta tool_call tool_result retry error final_answer done gap snapshot drain close".split(" ");

/** Runs one of them, and returns what it heard. */
export async function heardBy(name, asked, leaves) {
  const heard = [];
  await clients[name](asked, (event, data, id) => {
    heard.push({ event, data, id: id ?? "" });
    return leaves && event === "done";
  });
  return heard;
}

const clients = { sseJs, fetchEventSource, eventsourceClient, eventsource, eventsourceParser };
