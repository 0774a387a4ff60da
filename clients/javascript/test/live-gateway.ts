/** A gateway of one run over real HTTP, whose events come when a test says so. */

import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

const EPOCH = "0123456789abcdef";

export interface Asked {
  method: string;
  path: string;
  after: string | null;
  key: string | undefined;
  body: Record<string, unknown>;
}

export class LiveGateway implements AsyncDisposable {
  readonly requests: Asked[] = [];
  /** while false, connections are broken before they are answered */
  reachable = true;
  readonly #server: Server;
  #runs = new Map<string, object[]>(); // by the key of its question
  #readers = new Set<ServerResponse>();

  private constructor() {
    this.#server = createServer((request, response) => void this.#answer(request, response));
  }

  static async start(): Promise<LiveGateway> {
    const gateway = new LiveGateway();
    await new Promise<void>((resolve) => gateway.#server.listen(0, "127.0.0.1", resolve));
    return gateway;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  get runs(): number {
    return this.#runs.size;
  }

  get readers(): number {
    return this.#readers.size;
  }

  /** Appends to the last run, and sends it to all who follow. */
  push(...events: Record<string, unknown>[]): void {
    const log = [...this.#runs.values()].at(-1) ?? [];
    for (const event of events) {
      log.push({ seq: log.length + 1, at: log.length / 10, step: 1, ...event });
      for (const reader of this.#readers) send(reader, log.at(-1)!);
    }
    if (events.at(-1)?.["type"] === "done") this.#readers.forEach((reader) => reader.end());
  }

  say(...texts: string[]): void {
    this.push(...texts.map((content) => ({ type: "text_delta", content })));
  }

  finish(content: string, status = "completed"): void {
    this.push({ type: "final_answer", content }, { type: "done", status });
  }

  /** Breaks all connections. */
  cut(): void {
    for (const reader of this.#readers) reader.destroy();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(request.url ?? "/", this.url);
    const asked = await described(request, url);
    response.setHeader("Access-Control-Allow-Origin", "*");
    response.setHeader("Access-Control-Allow-Headers", "*, Authorization");
    response.setHeader("Access-Control-Allow-Methods", "*");
    response.setHeader("Access-Control-Expose-Headers", "*");
    if (asked.method === "OPTIONS") return void response.end();
    this.requests.push(asked);
    if (!this.reachable) return void response.destroy();
    if (asked.method === "DELETE") {
      this.push({ type: "done", status: "stopped" });
      return void response.writeHead(202).end();
    }
    this.#stream(asked, response);
  }

  #stream({ key, after, path }: Asked, response: ServerResponse): void {
    const name = path === "/chat" ? key! : [...this.#runs.keys()][Number(path.split("-")[1]?.split("/")[0]) - 1]!;
    if (!this.#runs.has(name)) this.#runs.set(name, []);
    const log = this.#runs.get(name)!;
    const run_id = `run-${[...this.#runs.keys()].indexOf(name) + 1}`;
    response.writeHead(200, { "Content-Type": "text/event-stream", "X-Run-Id": run_id });
    const open = { run_id, epoch: EPOCH, conversation: "chat-1", model: "demo" };
    response.write(`event: open\ndata: ${JSON.stringify(open)}\n\n`);
    for (const event of log.slice(Number(after?.split("-")[1] ?? 0))) send(response, event);
    this.#readers.add(response);
    response.on("close", () => this.#readers.delete(response));
  }
}

async function described(request: IncomingMessage, url: URL): Promise<Asked> {
  let body = "";
  for await (const piece of request) body += String(piece);
  return {
    method: request.method ?? "",
    path: url.pathname,
    after: url.searchParams.get("after"),
    key: request.headers["idempotency-key"] as string | undefined,
    body: JSON.parse(body || "{}") as Record<string, unknown>,
  };
}

function send(reader: ServerResponse, event: object): void {
  const { seq, type } = event as { seq: number; type: string };
  reader.write(`id: ${EPOCH}-${seq}\nevent: ${type}\ndata: ${JSON.stringify(event)}\n\n`);
}
