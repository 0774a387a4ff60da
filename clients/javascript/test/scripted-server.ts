/** The scripted server of `clients/conformance`, as a process of its own. */

import { spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

const ROOT = fileURLToPath(new URL("../../../", import.meta.url));

export interface Case {
  name: string;
  rule: string;
  group: string;
  client: {
    call: "chat" | "follow";
    message?: string;
    run?: string;
    after?: string;
    protocol?: "websocket";
    tokens?: string[];
    heartbeat?: number;
    attempts?: number;
  };
  deliver: {
    events: Record<string, unknown>[];
    text: string | { length: number };
    error: { kind: string; code?: string } | null;
  };
}

export interface Armed extends Case {
  id: string;
  base: string;
}

export class ScriptedServer implements AsyncDisposable {
  readonly #url: string;
  readonly #end: () => Promise<void>;

  private constructor(url: string, end: () => Promise<void>) {
    this.#url = url;
    this.#end = end;
  }

  /** `PYTHON` in the environment names the interpreter. */
  static async start(): Promise<ScriptedServer> {
    const process_ = spawn(process.env["PYTHON"] ?? "python3", ["-m", "clients.conformance"], {
      cwd: ROOT,
      stdio: ["ignore", "pipe", "inherit"],
    });
    const ended = new Promise<void>((resolve) => process_.once("exit", () => resolve()));
    for await (const line of createInterface({ input: process_.stdout })) {
      const { url } = JSON.parse(line) as { url: string };
      return new ScriptedServer(url, async () => {
        process_.kill();
        await ended;
      });
    }
    throw new Error("The scripted server did not start.");
  }

  async cases(): Promise<Case[]> {
    const { cases } = (await (await fetch(`${this.#url}/cases`)).json()) as { cases: Case[] };
    return cases;
  }

  async arm(name: string): Promise<Armed> {
    return (await (await fetch(`${this.#url}/case/${name}`, { method: "POST" })).json()) as Armed;
  }

  async report(id: string): Promise<{ ok: boolean; problems: string[] }> {
    return (await (await fetch(`${this.#url}/case/${id}/report`)).json()) as { ok: boolean; problems: string[] };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#end();
  }
}
