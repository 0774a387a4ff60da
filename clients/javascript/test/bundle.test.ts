import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import { rolldown } from "rolldown";
import { expect, test } from "vitest";

const LIMIT = 5500; // bytes

/** Bytes of what a page loads for the entry, minified and compressed; without what is loaded only when it is used. */
async function size(entry: string): Promise<number> {
  const input = fileURLToPath(new URL(`../src/${entry}`, import.meta.url));
  const external = (id: string) => id === "react" || id.endsWith("/socket.js");
  await using bundle = await rolldown({ input, external, platform: "browser" });
  const { output } = await bundle.generate({ format: "esm", minify: true });
  return gzipSync(output.map((file) => ("code" in file ? file.code : "")).join("")).length;
}

test("the client with its parser is below 5.5 kB", async () => {
  expect(await size("index.ts")).toBeLessThan(LIMIT);
});

test("with the hook it is below 8 kB", async () => {
  expect(await size("react/index.ts")).toBeLessThan(LIMIT + 2500);
});
