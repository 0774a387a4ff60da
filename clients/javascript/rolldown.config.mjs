/** The client with its parser in one file, for pages without a bundler: `<script src="browser.js">` sets `StreamingLab`. */

const banner = `/*! streaming-lab-client (MIT), made by \`npm run build\` in clients/javascript; with eventsource-parser (MIT),
    Copyright (c) 2026 Espen Hovlandsdal */`;

export default {
  input: "src/index.ts",
  platform: "browser",
  output: { file: "dist/browser.js", format: "iife", name: "StreamingLab", minify: true, banner },
};
